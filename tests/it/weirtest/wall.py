"""Steps of the wall clock, as an administrator or a careless NTP client makes them, for one weird and its children: wall.c is
preloaded into them."""

import os
import struct
import subprocess
from pathlib import Path

from .base import program, temp_dir


class Wall:
    """.env starts programs under it; step(seconds) sets how far from the truth they are."""

    def __init__(self):
        folder = temp_dir("wall")
        self.file = folder / "shift"
        self.step(0)
        library = folder / "wall.so"
        subprocess.run([program("cc"), "-shared", "-fPIC", "-O", "-Wall", "-Werror", "-o", library, Path(__file__).with_name("wall.c")],
                       check=True)
        self.env = {"LD_PRELOAD": str(library), "WEIRTEST_WALL": str(self.file)}

    def step(self, seconds):
        with open(self.file, "r+b" if self.file.exists() else "w+b") as f:
            os.pwrite(f.fileno(), struct.pack("q", int(seconds * 10**9)), 0)
