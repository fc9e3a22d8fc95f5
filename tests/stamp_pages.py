#!/usr/bin/env python3
# Gives each page of a database its checksum (store/page_check.h), after a test has changed it with
# plain SQLite: stamp_pages.py FILE
import struct
import sys

MASK = (1 << 64) - 1


def step(lane, word):
    lane = (lane ^ word) * 0x9E3779B97F4A7C15 & MASK
    return (lane << 29 | lane >> 35) & MASK


def page_sum(page, number):
    words = struct.unpack("<%dQ" % (len(page) // 8 - 1), page[:-8])
    lanes = [1, 2, 3, 4]
    whole = len(words) // 4 * 4
    for at, word in enumerate(words):
        lane = at % 4 if at < whole else 0
        lanes[lane] = step(lanes[lane], word)
    result = number * 0xD6E8FEB86659FD93 & MASK
    for lane in lanes:
        result = step(result, lane)
    return (result ^ result >> 32) or 1


with open(sys.argv[1], "r+b") as file:
    data = file.read()
    size = struct.unpack(">H", data[16:18])[0]
    for at in range(0, len(data), size):
        file.seek(at + size - 8)
        file.write(struct.pack("<Q", page_sum(data[at : at + size], at // size + 1)))
