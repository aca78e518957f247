"""PostgreSQL with pgvector: the same table, distances by ``<~>``, and an HNSW index if asked."""

from __future__ import annotations

from hammingbird.errors import StoreError
from hammingbird.stores.postgres import PostgresStore
from hammingbird.stores.store import Found


class PgvectorStore(PostgresStore):
    """A table of a server that has pgvector 0.7 or later; ``index=hnsw`` makes searches quick."""

    extra = "pgvector"
    indexes = ("flat", "hnsw")
    distance = "{code} <~> {query}"

    def _look(self) -> Found | None:
        found = super()._look()
        try:
            self._run("CREATE EXTENSION IF NOT EXISTS vector")
        except self._psycopg.Error as error:
            raise StoreError(
                f"{self.address}: pgvector is not there ({self.address.hide(error)}); install it, "
                "or write postgres: for pgvector: to do without"
            ) from None
        self.exact = self.index == "flat" and not self._indexes()
        if not self.exact:
            self._run(f"SET hnsw.ef_search = {int(self.address.option('ef', '100'))}")
        return found

    def _indexes(self) -> bool:
        """Whether the column has an index that answers approximately."""
        found = self._run(
            "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m "
            "ON m.oid = c.relam WHERE i.indrelid = to_regclass(%s) AND i.indisvalid "
            "AND m.amname IN ('hnsw', 'ivfflat')",
            [self._quoted],
        )
        return found.fetchone() is not None

    def _flush(self) -> None:
        if self.index == "hnsw" and not self._indexes():
            self._run("CREATE INDEX ON {table} USING hnsw ({code} bit_hamming_ops)")
