from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.data.readers import read_table
from model.spec.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test puts its upload; the suffix says nothing."""
    return tmp_path / "upload"


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def csv(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_parquet_keeps_the_types_of_its_columns(path: Path) -> None:
    frame = read_table(
        parquet(
            path,
            i8=pa.array([1, 2], pa.int8()),
            f32=pa.array([1.5, None], pa.float32()),
            flag=pa.array([True, False]),
            text=pa.array(["é", None]),
            code=pa.array(["a", "b"]).dictionary_encode(),
        )
    )
    assert frame.dtypes.astype(str).to_dict() == {
        "i8": "int8",
        "f32": "float32",
        "flag": "bool",
        "text": "str",
        "code": "str",
    }
    assert frame["text"].isna().tolist() == [False, True]


def test_integers_and_booleans_with_missing_values_stay_what_they_are(path: Path) -> None:
    columns = {str(t): pa.array([1, None], t) for t in (pa.int8(), pa.int64(), pa.uint16())}
    frame = read_table(parquet(path, flag=pa.array([True, None]), **columns))
    assert frame.dtypes.astype(str).to_dict() == {
        "flag": "boolean",
        "int8": "Int8",
        "int64": "Int64",
        "uint16": "UInt16",
    }
    assert frame["int8"].isna().tolist() == [False, True]


def test_columns_without_values_and_decimals_are_floats(path: Path) -> None:
    frame = read_table(parquet(path, empty=pa.nulls(2), exact=pa.array([None, None], pa.decimal128(5, 2))))
    assert frame.dtypes.astype(str).tolist() == ["float64", "float64"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_is_read_whatever_its_separator_mark_and_line_ends(
    path: Path, separator: str, encoding: str, newline: str
) -> None:
    lines = ["id,hour,Größe,flag,when", "1,0,1.5,True,2020-01-01", "1,1,,False,2020-01-02"]
    text = newline.join(line.replace(",", separator) for line in lines)
    frame = read_table(csv(path, text, encoding))
    assert frame.columns.tolist() == ["id", "hour", "Größe", "flag", "when"]
    assert frame.dtypes.astype(str).tolist()[:4] == ["int64", "int64", "float64", "bool"]
    assert np.array_equal(frame["Größe"], [1.5, np.nan], equal_nan=True)


def test_csv_quotes_missing_values_and_late_surprises(path: Path) -> None:
    rows = "".join(f"{i},{i}\n" for i in range(300_000))  # more than one block
    frame = read_table(csv(path, 'id,"a, b"\n1,"2"\n2,\n3,NA\n' + rows + "4,x\n"))
    assert frame["a, b"].iloc[[0, 3, -1]].tolist() == ["2", "0", "x"]
    assert frame["a, b"].isna().sum() == 2


def test_csv_with_semicolons_may_have_decimal_commas(path: Path) -> None:
    assert read_table(csv(path, "id;temp\n1;36,6\n2;37\n"))["temp"].tolist() == [36.6, 37]
    assert read_table(csv(path, "id;temp\n1;36.6\n2;37\n"))["temp"].tolist() == [36.6, 37]


@pytest.mark.parametrize("name", ["stay_id", "stay", "subject_id", " MRN", "hospital id"])
@pytest.mark.parametrize(
    "values",
    [["0012", "12"], ["12", "0012"], ["00", "0"], ["12345678901234567890", "12345678901234567891"], ["1" * 16, "2"]],
)
def test_csv_identifiers_that_numbers_would_change_stay_text(path: Path, name: str, values: list[str]) -> None:
    frame = read_table(csv(path, f"hour,{name},x\n0,{values[0]},01\n0,{values[1]},2\n1,,3\n"))
    assert frame[name.strip()].tolist()[:2] == values
    assert frame[name.strip()].isna().tolist() == [False, False, True]
    assert frame["x"].tolist() == [1, 2, 3]


def test_a_late_zero_keeps_all_csv_identifiers_as_text(path: Path) -> None:
    rows = "".join(f"{i},{i}\n" for i in range(1_000_000))  # more than one block
    frame = read_table(csv(path, "stay_id,x\n" + rows + "012,7\n"))
    assert frame["stay_id"].iloc[[0, 12, -1]].tolist() == ["0", "12", "012"]
    assert frame["x"].dtype == "int64"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [("12\n0", "int64"), ("9" * 15 + "\n-1", "int64"), ("1\nNA", "Int64"), ("12.0\n0.5", "float64"), ("a\n1", "str")],
)
def test_other_csv_identifiers_keep_the_type_that_is_guessed(path: Path, values: str, dtype: str) -> None:
    lines = "\n".join(f"{value},1" for value in values.split("\n"))
    assert str(read_table(csv(path, "stay_id,hour\n" + lines)).dtypes["stay_id"]) == dtype


@pytest.mark.parametrize(
    "header",
    [
        'id,hour,"heart\nrate",sbp',
        'id,hour,sbp,"heart\nrate"',
        'id,hour,"heart\r\nrate",x',
        'id,hour,x,"heart',
        "id,a,b,c\x0bd",
    ],
)
def test_a_line_break_in_a_csv_name_is_refused_without_quoting_it(path: Path, header: str) -> None:
    for lines in (1, 50_000):
        with pytest.raises(DataError, match="not printable") as caught:
            read_table(csv(path, header + "\n" + "1,2,3,4\n" * lines))
        assert "heart" not in str(caught.value)


def test_a_mark_alone_is_no_table(path: Path) -> None:
    with pytest.raises(DataError, match="neither Parquet nor CSV"):
        read_table(csv(path, "", "utf-8-sig"))


def test_names_lose_their_surrounding_blanks(path: Path) -> None:
    assert read_table(csv(path, " id , hour\n1,2\n")).columns.tolist() == ["id", "hour"]


def test_a_nameless_index_of_pandas_is_left_out(path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "hour": [3, 4]}, index=[7, 9])
    frame.to_csv(path)
    assert read_table(path).columns.tolist() == ["id", "hour"]
    frame.to_parquet(path)
    assert read_table(path).columns.tolist() == ["id", "hour"]
    frame.set_index(["id", "hour"]).assign(x=1).to_parquet(path)
    assert sorted(read_table(path).columns) == ["hour", "id", "x"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b"id,hour\n", "no rows"),
        (b"hello world", "names a single column"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither Parquet nor CSV"),
        (b"\x1f\x8b\x08\x00", "neither Parquet nor CSV"),
        ("id,größe\n1,2\n".encode("latin-1"), "neither Parquet nor CSV"),
        ("id,hour\n1,2\n".encode("utf-16"), "neither Parquet nor CSV"),
        (b"id,hour\n1,2,3\n1,2\n1\n", "2 rows with more or fewer values than its header"),
        (b"id,id\n1,2\n", "column 'id' is there more than once"),
        (b"1,0,80,80\n1,1,81,80\n", "the first row does not look like a header: 4 of its 4 names are numbers or empty"),
        (b"M;;36,6;NaN\nF;1;37,0;1\n", "3 of its 4 names"),
        (b"PAR1", "truncated or damaged"),
        (b"PAR1" + bytes(100), "truncated or damaged"),
    ],
)
def test_what_is_no_table_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_a_csv_without_a_header_is_refused_without_quoting_a_patient(path: Path) -> None:
    with pytest.raises(DataError, match="does not look like a header") as caught:
        read_table(csv(path, "4711,0,98.6,98.6\n4711,1,80,70\n"))
    assert "98" not in str(caught.value)
    assert caught.value.column is None


def test_text_that_is_not_utf8_beyond_the_sample_is_refused_without_quoting_it(path: Path) -> None:
    path.write_bytes(b"id,name\n" + b"1,abc\n" * 200_000 + b"2,secret\xff\n")
    with pytest.raises(DataError, match="cannot be read as CSV in UTF-8") as caught:
        read_table(path)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_parquet_is_refused(path: Path, share: float) -> None:
    parquet(path, id=list(range(10_000)), x=np.random.default_rng(0).normal(size=10_000))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_table(path)


def test_no_damage_to_a_parquet_ends_in_another_error(path: Path) -> None:
    parquet(path, id=list(range(2_000)), text=[f"t{i % 5}" for i in range(2_000)])
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        position = int(rng.integers(4, len(content)))
        damaged[position : position + 8] = rng.bytes(8)
        path.write_bytes(bytes(damaged))
        try:
            read_table(path)
        except DataError:
            continue


def test_nested_columns_and_repeated_names_are_refused(path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'trace' is of type list") as caught:
        read_table(parquet(path, id=[1], trace=[[1.0, 2.0]]))
    assert caught.value.column == "trace"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["id", "id"]), path)
    with pytest.raises(DataError, match="column 'id' is there more than once"):
        read_table(path)


def test_too_many_columns_are_refused(path: Path) -> None:
    names = [f"c{i}" for i in range(200)]
    message = "200 columns; at most 100"
    with pytest.raises(DataError, match=message):
        read_table(parquet(path, **{name: [1] for name in names}))
    with pytest.raises(DataError, match=message):
        read_table(csv(path, ",".join(names) + "\n" + ",".join("1" * 200) + "\n"))
    assert read_table(path, max_columns=200).shape == (1, 200)


def test_too_many_rows_are_refused(path: Path) -> None:
    frame = pd.DataFrame({"id": np.zeros(5_000, dtype=int), "hour": 1})
    frame.to_parquet(path)
    with pytest.raises(DataError, match="5000 rows; at most 4999"):
        read_table(path, max_rows=4_999)
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match="at most 4000"):
        read_table(path, max_rows=4_000)


def test_rows_that_the_footer_does_not_own_up_to_are_counted(path: Path) -> None:
    """It has their number twice, the file's first, as Thrift writes 5,000: zigzag, seven bits a byte."""
    content = parquet(path, id=np.zeros(5_000, dtype=int), hour=np.ones(5_000)).read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    patched = content[footer:].replace(b"\x16\x90\x4e", b"\x16\x86\x00", 1)
    path.write_bytes(content[:footer] + patched)
    assert pq.read_metadata(path).num_rows == 3
    with pytest.raises(DataError, match="5000 rows; at most 4999"):
        read_table(path, max_rows=4_999)


def test_a_small_file_that_would_fill_the_memory_is_refused(path: Path) -> None:
    n = 2_000_000
    parquet(path, id=np.zeros(n, dtype=np.int64), hour=np.zeros(n, dtype=np.int64))
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="more than the allowed 1000000 bytes"):
        read_table(path, max_bytes=1_000_000)
    long_text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, dtype=np.int32)), pa.array(["x" * 10_000]))
    parquet(path, id=np.zeros(10_000, dtype=np.int64), text=long_text)
    with pytest.raises(DataError, match="column 'text': its text is more than the allowed"):
        read_table(path, max_bytes=10_000_000)


def test_a_file_that_is_not_there_is_no_error_of_the_data(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(path)
