"""The reader of SQLite's format, judged by SQLite."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicpak.host import Host
from magicpak.inventory import sqlite

TABLE = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([512, 1024, 4096, 32768, 65536]),
    st.sampled_from(["delete", "wal"]),
    st.lists(st.integers(0, 5000) | st.integers(0, 200_000), max_size=40),
    st.sets(st.integers(1, 40)),
    st.integers(0, 40),
)
def test_a_table_has_the_rows_that_sqlite_finds(
    page: int, journal: str, sizes: list[int], removed: set[int], saved: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/db.sqlite"
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(f"PRAGMA page_size = {page}")
            database.execute(f"PRAGMA journal_mode = {journal}")
            database.execute("PRAGMA wal_autocheckpoint = 0")
            database.execute("CREATE TABLE other (a, b)")
            database.execute(TABLE)
            for number, size in enumerate(sizes):
                blob = bytes([number]) * size
                database.execute("INSERT INTO Packages (blob) VALUES (?)", [blob])
                database.execute("INSERT INTO other VALUES (?, ?)", [number, blob])
                if number == saved:
                    database.execute("PRAGMA wal_checkpoint(RESTART)")
            for number in removed:
                database.execute("DELETE FROM Packages WHERE hnum = ?", [number])
            rows = database.execute("SELECT blob FROM Packages ORDER BY hnum")
            expected = [blob for (blob,) in rows]
            # Before it is closed: then a write-ahead log is merged, and removed.
            assert list(sqlite.headers(Host(), path)) == expected
            assert os.path.exists(f"{path}-wal") == (journal == "wal")
        assert list(sqlite.headers(Host(), path)) == expected


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database with a write-ahead log that was read into it, and is begun anew."""
    with closing(sqlite3.connect(tmp_path / "db.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute(TABLE)
        for letter in b"abcdefgh":
            database.execute("INSERT INTO Packages (blob) VALUES (?)", [bytes([letter]) * 1000])
        database.execute("UPDATE Packages SET blob = ?", [b"old"])
        database.execute("PRAGMA wal_checkpoint(RESTART)")
        database.execute("UPDATE Packages SET blob = ? WHERE hnum = 8", [b"new"])
        yield database


def test_what_is_left_in_the_log_from_before_does_not_count(
    tmp_path: Path, logged: sqlite3.Connection
) -> None:
    expected = [blob for (blob,) in logged.execute("SELECT blob FROM Packages ORDER BY hnum")]
    assert expected == [b"old"] * 7 + [b"new"]
    assert list(sqlite.headers(Host(), str(tmp_path / "db.sqlite"))) == expected


def test_a_transaction_that_has_not_ended_does_not_count(
    tmp_path: Path, logged: sqlite3.Connection
) -> None:
    logged.execute("PRAGMA cache_size = 2")
    size = (tmp_path / "db.sqlite-wal").stat().st_size
    logged.execute("BEGIN")
    for _ in range(300):
        logged.execute("INSERT INTO Packages (blob) VALUES (?)", [b"x" * 5000])
    assert (tmp_path / "db.sqlite-wal").stat().st_size > size
    found = list(sqlite.headers(Host(), str(tmp_path / "db.sqlite")))
    assert found == [b"old"] * 7 + [b"new"]


def test_pages_that_lead_in_a_circle_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(TABLE)
        database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(b"x" * 3000,)] * 20)
    page = 4096
    content = bytearray(path.read_bytes())
    assert content[page] == sqlite.INTERIOR
    content[page + 8 : page + 12] = (2).to_bytes(4, "big")  # its last child is itself
    path.write_bytes(content)
    with pytest.raises(ValueError, match="circle"):
        list(sqlite.headers(Host(), str(path)))


def test_a_row_longer_than_the_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(TABLE)
        database.execute("INSERT INTO Packages (blob) VALUES (?)", [b"x" * 9000])
    content, page = bytearray(path.read_bytes()), 4096
    at = page + int.from_bytes(content[page + 8 : page + 10], "big")
    # A length of 2^49, on overflow pages that lead in a circle.
    content[at : at + 8] = b"\x81" + b"\x80" * 6 + b"\0"
    following = 2 * page
    content[following : following + 4] = (3).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="longer than the file"):
        list(sqlite.headers(Host(), str(path)))
