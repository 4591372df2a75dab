"""T-ARC-4: data files that are bombs, sent to the platform."""

import base64
import io
import re
import zipfile
from pathlib import Path

import httpx
import pytest

from support.platform_process import Installation

MIB = 1 << 20
TEXT_MIB = 576  # in one cell
GROWTH_MIB_MAX = 400  # of either process: a few copies of a request, but not what it unpacks to
PARTS = {
    "[Content_Types].xml": """<?xml version="1.0"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="xml" ContentType="application/xml"/>
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml" ContentType=
"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType=
"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>""",
    "_rels/.rels": """<?xml version="1.0"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="rId1" Target="xl/workbook.xml" Type=
"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/>
</Relationships>""",
    "xl/workbook.xml": """<?xml version="1.0"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
<sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": """<?xml version="1.0"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="rId1" Target="worksheets/sheet1.xml" Type=
"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>
</Relationships>""",
}
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="1"><c r="A1" t="inlineStr"><is><t>',
    "</t></is></c></row></sheetData></worksheet>",
)
READING = "import pandas\nprint(len(pandas.read_excel('bomb.xlsx', header=None)))"


def bomb() -> bytes:
    """Return a workbook with one cell that is far larger than a sandbox's memory."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, text in PARTS.items():
            book.writestr(name, text.strip().replace("=\n", "="))
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(SHEET[0].encode())
            for _ in range(TEXT_MIB):
                sheet.write(b"a" * MIB)
            sheet.write(SHEET[1].encode())
    return packed.getvalue()


def peak_mib(pid: int) -> int:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) // 1024


@pytest.mark.timeout(600)
@pytest.mark.threat("T-ARC-4")
def test_a_workbook_that_is_a_bomb_ends_its_own_program(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home")
    with installation.serving() as url, httpx.Client(base_url=url, timeout=300) as client:
        assert client.post("/api/e2b/execute", json={"code": "print(1)"}).json()["success"]
        state = installation.server_state()
        assert state is not None
        pids = (installation.pid, state["pid"])
        before = [peak_mib(pid) for pid in pids]
        content = bomb()
        assert len(content) < 8 * MIB
        files = {"bomb.xlsx": {"base64": base64.b64encode(content).decode()}}
        told = client.post("/api/e2b/execute", json={"code": READING, "files": files}).json()
        assert not told["success"]
        assert told["error"]["name"] in ("OutOfMemory", "MemoryError"), told
        asked = client.post("/api/query", json={"question": "Summarise the data", "files": files})
        assert not asked.json()["success"]
        for pid, peak in zip(pids, before, strict=True):
            assert peak_mib(pid) < peak + GROWTH_MIB_MAX
        assert client.post("/api/e2b/execute", json={"code": "print(1)"}).json()["success"]
