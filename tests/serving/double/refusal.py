"""The error that a client gets instead of an answer."""

INVALID, MISSING = 3, 5  # status codes of both gRPC and TensorFlow


class Refusal(Exception):
    """An invalid request or version; `code` is gRPC's status code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
