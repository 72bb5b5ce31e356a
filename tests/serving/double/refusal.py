"""What a client is told in place of an answer."""

INVALID, MISSING = 3, 5  # of the codes that gRPC and TensorFlow share


class Refusal(Exception):
    """What is wrong with a request, or with a version; `code` is gRPC's."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
