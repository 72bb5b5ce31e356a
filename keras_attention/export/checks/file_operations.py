"""Find operations by which a SavedModel accesses files or the network, or writes to the log."""

from collections.abc import Iterator

from keras_attention.export.checks.reachable import (
    collect_reachable,
    list_initializers,
    list_output_tensors,
)
from keras_attention.export.checks.table_files import TABLE_OPS, find_tables_of_other_files

RESTORE_OPS = frozenset(["Restore", "RestoreSlice", "RestoreV2"])
FILE_OPS = RESTORE_OPS.union(
    ["ReadFile", "WriteFile", "MatchingFiles", "Save", "SaveSlices", "SaveV2"],
    ["MergeV2Checkpoints", "DistributedSave", "DTensorRestoreV2", "LoadAndRemapMatrix"],
    ["GenerateVocabRemapping", "RecordInput", "DumpTensor", "CalibrationStatisticsSaver"],
    ["WholeFileReader", "WholeFileReaderV2", "TextLineReader", "TextLineReaderV2"],
    ["FixedLengthRecordReader", "FixedLengthRecordReaderV2", "TFRecordReader"],
    ["TFRecordReaderV2", "LMDBReader", "TextLineDataset", "TFRecordDataset"],
    ["TFRecordDatasetV2", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2"],
    ["CSVDataset", "CSVDatasetV2", "ExperimentalCSVDataset", "LMDBDataset", "SqlDataset"],
    ["ExperimentalLMDBDataset", "ExperimentalSqlDataset", "MatchingFilesDataset"],
    ["ExperimentalMatchingFilesDataset", "CacheDataset", "CacheDatasetV2", "LoadDataset"],
    ["SaveDataset", "SaveDatasetV2", "SnapshotDataset", "SnapshotDatasetV2"],
    ["SnapshotDatasetReader", "SnapshotChunkDataset", "ListSnapshotChunksDataset"],
    ["DatasetToTFRecord", "ExperimentalDatasetToTFRecord"],
    ["CreateSummaryFileWriter", "CreateSummaryDbWriter"],
    ["DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "DebugNanCount"],
    ["DebugNumericSummary", "RpcServer", "RpcClient", "RegisterDataset", "RegisterDatasetV2"],
    ["DataServiceDataset", "DataServiceDatasetV2", "DataServiceDatasetV3"],
    ["DataServiceDatasetV4"],
)
PRINT_OPS = frozenset(["Print", "PrintV2"])


def find_file_operations(meta) -> list[str]:
    """Return the operations on files or the network that run at loading or at a request.

    The list is not complete, and TensorFlow has no sandbox: a SavedModel is a program. Two kinds of
    operations are left out, because ordinary SavedModels need them: those that read the weights
    when the model is loaded, and those that load a vocabulary from an asset into a lookup table.

    Args:
        meta: MetaGraphDef.

    Returns:
        Sorted list of `operation (node)`.
    """
    initializers = list_initializers(meta)
    answering = collect_reachable(meta, list_output_tensors(meta))[0]
    initializing = collect_reachable(meta, initializers)[0]
    restoring = collect_reachable(meta, [meta.saver_def.restore_op_name])[0]
    accessing = [
        node for node in (*answering, *initializing) if node.op in FILE_OPS or _prints_to_file(node)
    ]
    accessing += [node for node in (*answering, *restoring) if node.op in TABLE_OPS]
    accessing += find_tables_of_other_files(meta, initializers)
    accessing += [node for node in restoring if node.op in FILE_OPS - RESTORE_OPS]
    return sorted({f"{node.op} ({node.name})" for node in accessing})


def find_print_remarks(meta) -> Iterator[str]:
    """Yield a remark if a signature writes to the server's log."""
    nodes = collect_reachable(meta, list_output_tensors(meta))[0]
    printing = sorted({f"{node.op} ({node.name})" for node in nodes if node.op in PRINT_OPS})
    if printing:
        yield (
            "writes to the server's log at every request, perhaps data of the clients: "
            f"{', '.join(printing)}"
        )


def _prints_to_file(node) -> bool:
    """Return True for `tf.print(..., output_stream="file://...")`."""
    return node.op in PRINT_OPS and b"://" in node.attr["output_stream"].s
