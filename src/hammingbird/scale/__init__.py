"""Past one machine: one function of Arrow batches, run here, on Dask, under Ray or Spark."""

from hammingbird.scale.batch import encode_batch, for_spark, schema_of
from hammingbird.scale.code_parts import CodeParts, read_parts
from hammingbird.scale.dask import DaskCluster
from hammingbird.scale.encoding import Encoded, encode_parts
from hammingbird.scale.engine import Engine, InProcess
from hammingbird.scale.parts import Part, is_parquet_folder, list_parts
from hammingbird.scale.sampling import chosen_rows, sample_rows

__all__ = [
    "CodeParts",
    "DaskCluster",
    "Encoded",
    "Engine",
    "InProcess",
    "Part",
    "chosen_rows",
    "encode_batch",
    "encode_parts",
    "for_spark",
    "is_parquet_folder",
    "list_parts",
    "read_parts",
    "sample_rows",
    "schema_of",
]
