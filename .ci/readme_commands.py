"""Write the README's first two shell blocks to DIR/command-1.sh and DIR/command-2.sh, as they stand."""

import re
import sys
from pathlib import Path

blocks = re.findall(r"^```sh\n(.*?)^```$", Path("README.md").read_text(encoding="utf-8"), flags=re.S | re.M)
if len(blocks) < 2 or "ganzoo run dcgan --dataset mnist" not in blocks[0] or "pytest" not in blocks[1]:
    sys.exit("the README's first two shell blocks should be the run and the tests")
for number, block in enumerate(blocks[:2], start=1):
    Path(sys.argv[1], f"command-{number}.sh").write_text(block, encoding="utf-8")
