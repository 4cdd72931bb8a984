"""A fault in a metadata file costs the images that it concerns, or stops."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lexipix.datasets.sources import table_files
from lexipix.datasets.sources.folder import open_folder
from lexipix.utils.errors import LexipixError

N_IMAGES = 40
NAMES = [f"p{number:02}.png" for number in range(N_IMAGES)]


@pytest.fixture
def folder(tmp_path, make_picture):
    for number, name in enumerate(NAMES):
        make_picture(tmp_path / name, number)
    return tmp_path


def lines(change=None, header="file_name,text", row="{},star {}"):
    rows = {number: row.format(name, name) for number, name in enumerate(NAMES)} | (change or {})
    return "\n".join([header, *rows.values()]) + "\n"


# CSV


@pytest.mark.parametrize(
    "change",
    [
        {20: 'p20.png,"star p20'},
        {20: '"p20.png,star p20'},
        {20: 'p20.png,"star" p20'},
        {39: 'p39.png,"star p39'},
        {20: 'p20.png,"star p20', 22: 'p22.png,star p22"'},
    ],
)
def test_a_stray_quotation_mark_stops_and_names_its_line(folder, read, change):
    (folder / "metadata.csv").write_text(lines(change))
    with pytest.raises(LexipixError, match=rf"metadata.csv is not valid CSV at line {min(change) + 2}: "):
        read()


def test_a_caption_in_quotation_marks_can_have_several_lines(folder, read):
    (folder / "metadata.csv").write_text(lines({20: 'p20.png,"a ""red""\nstar, big"'}))
    captions, rejects = read()
    assert captions["p20.png"] == ('a "red"\nstar, big',) and not rejects and len(captions) == N_IMAGES


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", ", "])
def test_csv_of_spreadsheets(folder, read, encoding, delimiter):
    text = lines(header=f"file_name{delimiter}text", row=f"{{}}{delimiter}größer {{}}")
    (folder / "metadata.csv").write_bytes(text.encode(encoding))
    captions, rejects = read()
    assert captions == {name: (f"größer {name}",) for name in NAMES} and not rejects


@pytest.mark.parametrize("blank", ["", ",", ",,,", '"",', " , "])
def test_blank_rows_of_spreadsheets_are_no_rows(folder, read, blank):
    rows = lines({20: f"p20.png,star p20.png\n{blank}"})
    (folder / "metadata.csv").write_text(f"{rows}{blank}\n{blank}\n")
    captions, rejects = read()
    assert captions == {name: (f"star {name}",) for name in NAMES} and not rejects


def test_blank_columns_at_the_end_are_no_fields(folder, read):
    (folder / "metadata.csv").write_text(lines({20: "p20.png,star p20.png,,"}, header="file_name,text,,"))
    captions, rejects = read()
    assert captions == {name: (f"star {name}",) for name in NAMES} and not rejects


def test_a_row_that_is_cut_rejects_its_image(folder, read):
    (folder / "metadata.csv").write_text(lines({39: "p39.png"}))
    captions, rejects = read()
    assert rejects == {"p39.png": "metadata.csv line 41: the row has fewer fields than the header"}
    assert len(captions) == N_IMAGES - 1


def test_two_columns_of_one_name_stop(folder, read):
    (folder / "metadata.csv").write_text("file_name,text,text\np00.png,a,b\n")
    with pytest.raises(LexipixError, match="two fields 'text'"):
        read()


# Rows that fail


@pytest.mark.parametrize(
    "row",
    [
        b'{"file_name": "p20.png", "text": 7}',
        b'{"file_name": "p20.png", "text": "star',
        b'{"file_name": "p20.png", "text": "st\xff\xfer"}',
        b'{"file_name": "p20.png", "label": ["x"]}',
    ],
)
def test_the_image_of_a_failed_row_is_the_reject(folder, read, row):
    rows = [json.dumps({"file_name": name, "text": "star"}).encode() for name in NAMES]
    rows[20] = row
    (folder / "metadata.jsonl").write_bytes(b"\n".join(rows))
    captions, rejects = read()
    assert list(rejects) == ["p20.png"] and rejects["p20.png"].startswith("metadata.jsonl line 21: ")
    assert list(captions) == [name for name in NAMES if name != "p20.png"]


def test_a_row_of_csv_with_too_many_fields_rejects_its_image(folder, read):
    (folder / "metadata.csv").write_text(lines({20: "p20.png,star, red"}))
    captions, rejects = read()
    assert rejects == {"p20.png": "metadata.csv line 22: the row has more fields than the header"}
    assert len(captions) == N_IMAGES - 1


def test_an_image_of_a_failed_row_stays_if_another_row_names_it(folder, read):
    (folder / "metadata.csv").write_text(lines() + "p20.png,star, red\n")
    captions, rejects = read()
    assert list(rejects) == ["metadata.csv:42"] and captions["p20.png"] == ("star p20.png",)


@pytest.mark.parametrize(
    "content", ["", "\n\n", '{"file_name": 7, "text": "a"}\n[1]\n', '{"file_name": "p00.png", "text": 1}']
)
def test_metadata_without_a_usable_row_stops(folder, read, content):
    (folder / "metadata.jsonl").write_text(content)
    with pytest.raises(LexipixError, match="has no row that can be used"):
        read()


def test_metadata_that_names_too_few_images_stops(folder, read):
    (folder / "metadata.csv").write_text("".join(f"{line}\n" for line in lines().splitlines()[:-3]))
    with pytest.raises(LexipixError) as error:
        read()
    assert "names 37 of 40 images of its folder, not p37.png, p38.png, p39.png." in str(error.value)
    assert "ingestion.source.folder.min_named_share, which is 0.95, to 0" in str(error.value)
    captions, rejects = read(min_named_share=0)
    assert captions["p39.png"] == (None,) and captions["p00.png"] == ("star p00.png",) and not rejects


def test_images_of_an_inner_metadata_file_or_with_a_caption_file_need_no_row(folder, make_picture, read):
    (folder / "metadata.csv").write_text("".join(f"{line}\n" for line in lines().splitlines()[:-3]))
    for name in NAMES[-3:]:
        (folder / name).with_suffix(".txt").write_text("moon")
    for number in range(5):
        make_picture(folder / f"inner/{number}.png", 100 + number)
    rows = "".join(f"{number}.png,sun\n" for number in range(5))
    (folder / "inner/metadata.csv").write_text(f"file_name,text\n{rows}")
    captions, rejects = read()
    assert captions["p39.png"] == ("moon",) and captions["inner/4.png"] == ("sun",) and not rejects


@pytest.mark.parametrize("name", ["x" * 5000 + ".png", "nul\0.png", "p00.png/"])
def test_a_name_that_the_file_system_refuses_is_a_reject(folder, read, name):
    rows = [json.dumps({"file_name": name, "text": "star"}) for name in [*NAMES[1:], name]]
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    captions, rejects = read(min_named_share=0)
    assert len(captions) == N_IMAGES and len(rejects) == (name != "p00.png/")


# Doubled keys of JSON


def test_a_name_that_occurs_twice_in_metadata_json_has_both_captions(folder, read):
    rows = ", ".join(f'"{name}": "star"' for name in NAMES)
    (folder / "metadata.json").write_text(f'{{{rows}, "p20.png": "moon", "p21.png": {{"text": ["sun"]}}}}')
    captions, rejects = read()
    assert captions["p20.png"] == ("star", "moon") and captions["p21.png"] == ("star", "sun")
    assert len(captions) == N_IMAGES and not rejects


@pytest.mark.parametrize("twice", ['"text": "moon"', '"file_name": "p20.png"'])
def test_a_field_that_occurs_twice_in_a_line_rejects_its_image(folder, read, twice):
    rows = [json.dumps({"file_name": name, "text": "star"}) for name in NAMES]
    rows[20] = f"{rows[20][:-1]}, {twice}}}"
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    captions, rejects = read()
    field = twice.split('"')[1]
    assert rejects == {"p20.png": f"metadata.jsonl line 21: the line has the field {field!r} twice"}
    assert len(captions) == N_IMAGES - 1


@pytest.mark.parametrize("as_list", [True, False])
def test_a_field_that_occurs_twice_in_a_row_of_metadata_json_rejects_its_image(folder, read, as_list):
    rows = {name: f'{{"file_name": "{name}", "text": "star"}}' for name in NAMES}
    if not as_list:
        rows = {name: f'"{name}": {{"text": "star"}}' for name in NAMES}
    rows["p20.png"] = rows["p20.png"].replace("}", ', "text": "moon"}')
    text = ", ".join(rows.values())
    (folder / "metadata.json").write_text(f"[{text}]" if as_list else f"{{{text}}}")
    captions, rejects = read()
    assert rejects == {"p20.png": "metadata.json row 21: the row has the field 'text' twice"}
    assert len(captions) == N_IMAGES - 1


# Parquet


def save_parquet(folder, **columns):
    names = {"file_name": pa.array(NAMES), "text": pa.array(["star"] * N_IMAGES)}
    pq.write_table(pa.table(names | columns), folder / "metadata.parquet", compression="none")


def test_a_text_in_parquet_that_is_no_utf_8_is_one_sentence(folder, read):
    save_parquet(folder, text=pa.array(["moon", *["star"] * (N_IMAGES - 1)]))
    content = (folder / "metadata.parquet").read_bytes()
    (folder / "metadata.parquet").write_bytes(content.replace(b"moon", b"m\xff\xfen"))
    with pytest.raises(LexipixError, match=r"metadata\.parquet is damaged or no table \(.*UTF8"):
        read()


@pytest.mark.parametrize(
    ("kind", "value"),
    [(pa.timestamp("us"), 2**62), (pa.timestamp("us", "Nowhere/At"), 0), (pa.date32(), 2**31 - 1)],
)
def test_times_in_parquet_are_no_captions(folder, read, kind, value):
    numbers = pa.array([value] * N_IMAGES, pa.int32() if kind == pa.date32() else pa.int64())
    save_parquet(folder, made=numbers.view(kind))
    captions, rejects = read()
    assert captions == dict.fromkeys(NAMES, ("star",)) and not rejects


def test_other_plain_columns_of_parquet_are_fields(folder, read):
    styles = pa.array(["flat"] * N_IMAGES).dictionary_encode()
    save_parquet(folder, text=pa.array([["star", "sun"]] * N_IMAGES), style=styles, none=pa.nulls(N_IMAGES))
    captions, _ = read(caption_templates=["{caption}, {style}"])
    assert set(captions.values()) == {("star, flat", "sun, flat")}


def test_a_small_parquet_file_of_many_rows_is_one_sentence(folder, read, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_RECORDS", 2**20)
    names = pa.array(["p00.png"] * 200_000)
    pq.write_table(pa.table({"file_name": names, "text": names}), folder / "metadata.parquet")
    with pytest.raises(
        LexipixError, match=r"metadata\.parquet has [\d,]+ bytes, and its rows need more than"
    ):
        read()


# Fields


def test_further_rows_and_values_of_lists_are_further_captions(folder, read):
    rows = [json.dumps({"file_name": name, "text": "star"}) for name in NAMES]
    rows += [json.dumps({"file_name": "./p20.png", "text": text}) for text in ("moon", ["star", "sun"])]
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    captions, rejects = read()
    assert captions["p20.png"] == ("star", "moon", "sun") and not rejects and len(captions) == N_IMAGES


@pytest.mark.parametrize(("label", "name"), [(3, "3"), (0, "0"), (3.0, "3"), ("owl", "owl")])
def test_a_label_can_be_a_number(folder, read, label, name):
    rows = [json.dumps({"file_name": file, "label": label}) for file in NAMES]
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    assert set(read(label_template="number {label}")[0].values()) == {(f"number {name}",)}


@pytest.mark.parametrize("way", ["absolute", "through a link", "backslash", "case", "no suffix"])
def test_other_ways_to_name_an_image(tmp_path, make_picture, parameters, way):
    root = tmp_path / "real"
    for number, name in enumerate(NAMES):
        make_picture(root / f"sub/{name}", number)
    (tmp_path / "link").symlink_to(root)
    given = {
        "absolute": f"{tmp_path}/link/sub/{{}}",
        "through a link": f"{root}/sub/{{}}",
        "backslash": "sub\\{}",
        "case": "SUB/{}",
        "no suffix": "sub/{}",
    }[way]
    names = [name.removesuffix(".png") if way == "no suffix" else name for name in NAMES]
    rows = [json.dumps({"file_name": given.format(name), "text": name}) for name in names]
    (root / "metadata.jsonl").write_text("\n".join(rows))
    items = list(open_folder(tmp_path / "link", parameters()).read())
    assert [(item.file, item.caption) for item in items] == [
        (f"sub/{file}", name) for file, name in zip(NAMES, names, strict=True)
    ]
