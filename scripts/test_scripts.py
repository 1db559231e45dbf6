#!/usr/bin/env python3
"""Tests of the scripts themselves, without QEMU: a judge that cannot say no proves nothing.

Most cases give a checker something wrong and expect a complaint about just that.
"""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it is checked out
from boottest import canaries, checks, dialogue, disks, memory_map as mm, programs, scenario as scenarios
from boottest.screen import Screen, load_fonts
from boottest.serial_log import SerialLog
import gpt_image

SCRIPTS = Path(__file__).resolve().parent
WB = 0xF


def entry(base, pages, kind):
    return mm.Entry(base, pages * mm.PAGE, kind)


def descriptor(kind, base, pages, attribute=WB):
    return mm.Descriptor(kind, base, pages, attribute)


class SerialLogTest(unittest.TestCase):
    def test_firmware_noise_and_records(self):
        log = SerialLog(b'\x1b[2J\x1b[01;01HBdsDxe: starting\r\n\x1b[=3h{"neomem":"boot","cpus":1}\r\ntext {\r\n')
        self.assertEqual([r.kind for r in log.records], ["boot"])
        self.assertEqual(log.problems, [])

    def test_complaints(self):
        for line in (b'{"neomem":"x",}', b'{"kind":"x","neomem":"y"}', b"{", b'{"neomem":"a","b":1,"b":2}',
                     b'{"neomem":7}', b'text {"neomem":"x"}'):
            self.assertEqual(len(SerialLog(line + b"\r\n").problems), 1, line)


class LimineRulesTest(unittest.TestCase):
    GOOD = [entry(0, 16, mm.USABLE), entry(0x10000, 1, mm.RESERVED), entry(0x10000, 2, mm.ACPI_NVS),
            entry(0x20000, 4, mm.RECLAIMABLE), entry(0x24000, 4, mm.USABLE)]

    def test_good_map(self):
        self.assertEqual(mm.check_limine(self.GOOD), [])

    def test_each_broken_rule(self):
        bad = {
            "below its predecessor": [entry(0x2000, 1, 0), entry(0x1000, 1, 0)],
            "empty": [mm.Entry(0x1000, 0, mm.RESERVED)],
            "not whole frames": [mm.Entry(0x1001, 0x1000, mm.USABLE)],
            "unknown type": [entry(0, 1, 9)],
            "beyond": [mm.Entry((1 << 64) - 4096, 8192, mm.RESERVED)],
            "overlaps": [entry(0, 4, mm.USABLE), entry(0x3000, 1, mm.RESERVED)],
        }
        for word, entries in bad.items():
            complaints = mm.check_limine(entries)
            self.assertTrue(any(word in c for c in complaints), (word, complaints))

    def test_usable_inside_reserved_is_an_overlap(self):
        self.assertTrue(mm.check_limine([entry(0, 9, mm.RESERVED), entry(0x2000, 1, mm.USABLE)]))
        self.assertTrue(mm.check_limine([entry(0, 9, mm.RESERVED), entry(0x1000, 1, mm.ACPI_NVS),
                                         entry(0x8000, 2, mm.USABLE)]))


class ConservationTest(unittest.TestCase):
    #   free        0 .. 16    with a reserved hole 4 .. 6
    #   loader     16 .. 20    of which 17 .. 18 is the kernel
    DESCRIPTORS = [descriptor(7, 0, 16), descriptor(0, 0x4000, 2), descriptor(2, 0x10000, 4)]
    GOOD = [entry(0, 4, mm.USABLE), entry(0x4000, 2, mm.RESERVED), entry(0x6000, 10, mm.USABLE),
            entry(0x10000, 1, mm.RECLAIMABLE), entry(0x11000, 1, mm.KERNEL), entry(0x12000, 2, mm.RECLAIMABLE)]

    def complaints(self, entries, descriptors=None, limit=1 << 52):
        return mm.check_conserved(entries, descriptors or self.DESCRIPTORS, limit)

    def test_good_map(self):
        self.assertEqual(self.complaints(self.GOOD), [])

    def replaced(self, index, *new):
        return self.GOOD[:index] + list(new) + self.GOOD[index + 1:]

    def test_each_contradiction(self):
        bad = {
            "became usable": self.replaced(1, entry(0x4000, 2, mm.USABLE)),
            "in no memmap entry": self.replaced(1),
            "lost to reserved": self.replaced(2, entry(0x6000, 10, mm.RESERVED)),
            "no descriptor has it": self.GOOD + [entry(0x20000, 1, mm.USABLE)],
            "not the loader's": self.replaced(0, entry(0, 4, mm.KERNEL)),
        }
        for word, entries in bad.items():
            self.assertTrue(any(word in c for c in self.complaints(entries)), (word, self.complaints(entries)))

    def test_stricter_reclaimable_is_allowed(self):
        self.assertEqual(self.complaints(self.replaced(0, entry(0, 4, mm.RECLAIMABLE))), [])

    def test_uncacheable_persistent_and_special_memory_is_not_usable(self):
        for attribute in (0x1, WB | mm.ATTRIBUTE_NV, WB | mm.ATTRIBUTE_SP):
            self.assertTrue(self.complaints([entry(0, 1, mm.USABLE)], [descriptor(7, 0, 1, attribute)]))
            self.assertEqual(self.complaints([entry(0, 1, mm.RESERVED)], [descriptor(7, 0, 1, attribute)]), [])

    def test_senseless_descriptors_claim_nothing(self):
        senseless = [descriptor(7, 0x8000, 0), descriptor(7, 0x8000, 1 << 52), descriptor(7, (1 << 64) - 4096, 4)]
        self.assertEqual(self.complaints([], senseless), [])

    def test_free_shrinks_and_reserved_grows(self):
        unaligned = [descriptor(7, 0x200, 4), descriptor(0, 0x8800, 1), descriptor(7, 0x9000, 2)]
        self.assertEqual(self.complaints([entry(0x1000, 3, mm.USABLE), mm.Entry(0x8800, 0x1000, mm.RESERVED),
                                          entry(0xA000, 1, mm.USABLE)], unaligned), [])
        self.assertTrue(self.complaints([entry(0, 5, mm.USABLE)], unaligned))
        self.assertTrue(self.complaints([entry(0x1000, 3, mm.USABLE), entry(0x9000, 2, mm.USABLE)], unaligned))

    def test_memory_beyond_the_cpu(self):
        far = [descriptor(7, (1 << 40) - 0x1000, 2)]
        self.assertEqual(self.complaints([entry((1 << 40) - 0x1000, 1, mm.USABLE)], far, 1 << 40), [])
        self.assertTrue(self.complaints([entry((1 << 40) - 0x1000, 2, mm.USABLE)], far, 1 << 40))


class CanaryTest(unittest.TestCase):
    LINE = "hostile: canary base=0x5000 bytes=4096 step=8192 count=3 type=6\n"

    def memory(self, base, size):
        return b"".join(canaries.pattern(base + offset, 4096) for offset in range(0, size, 4096))

    def test_intact(self):
        blocks, total, wrong = canaries.check(self.LINE, self.memory)
        self.assertEqual((blocks, total, wrong), (3, 3 * 4096, []))

    def test_one_changed_byte(self):
        def memory(base, size):
            data = bytearray(self.memory(base, size))
            data[2 * 8192 + 17] ^= 1
            return bytes(data)
        wrong = canaries.check(self.LINE, memory)[2]
        self.assertEqual(len(wrong), 1)
        self.assertIn("0x9011", wrong[0])

    def test_gaps_do_not_count(self):
        def memory(base, size):
            data = bytearray(self.memory(base, size))
            data[4096:8192] = bytes(4096)
            return bytes(data)
        self.assertEqual(canaries.check(self.LINE, memory)[2], [])

    def test_moved_block(self):
        wrong = canaries.check(self.LINE, lambda base, size: self.memory(base + 4096, size))[2]
        self.assertEqual(len(wrong), 3)

    def test_formula_is_the_programs(self):
        self.assertEqual(canaries.pattern(8, 8), struct.pack("<Q", 8 * 0x9E3779B97F4A7C15 % (1 << 64)))


class ChecksTest(unittest.TestCase):
    def test_conditions(self):
        for value, condition in ((4, 4), (4, ">= 4"), ("0x10", "== 16"), ("0x10", "> 15"), ("abc", "~ ^a.c$"),
                                 (True, True), ("a", "!= b"), (3, "< 4")):
            self.assertTrue(checks.holds(value, condition), (value, condition))
        for value, condition in ((4, 5), (4, "> 4"), ("0x10", "< 16"), ("abc", "~ ^b"), ("a", "== b"), (None, ">= 0")):
            self.assertFalse(checks.holds(value, condition), (value, condition))

    def test_end_record(self):
        test = b'{"neomem":"test","name":"t","result":"fail","detail":"d"}\n'
        end = b'{"neomem":"end","status":"pass","tests_passed":0,"tests_failed":%d,"faults":0}\n'
        self.assertEqual(checks.check_end(SerialLog(end % 0), "pass"), [])
        self.assertTrue(checks.check_end(SerialLog(test + end % 1), "pass"))
        self.assertTrue(checks.check_end(SerialLog(end % 1), "pass"))
        self.assertTrue(checks.check_end(SerialLog(end % 0 + test), "pass"))
        self.assertTrue(checks.check_end(SerialLog(b""), "pass"))
        self.assertTrue(checks.check_end(SerialLog(end % 0), "fail"))

    def test_members(self):
        self.assertTrue(checks.check_members(SerialLog(b'{"neomem":"warning"}\n')))
        self.assertTrue(checks.check_members(SerialLog(
            b'{"neomem":"memmap","base":"0X10","length":1,"type":0,"type_name":"usable"}\n')))
        self.assertTrue(checks.check_members(SerialLog(
            b'{"neomem":"memmap","base":"0x10","length":"1","type":0,"type_name":"usable"}\n')))

    def test_boot_record(self):
        good = {"kernel_base": '"0xffffffff80001000"', "hhdm_base": '"0xffff800040000000"', "page_levels": "4",
                "cpus": "1", "build_id": '"ab"', "tsc_efi_main": "1", "tsc_exit_boot_services": "2",
                "tsc_kernel_main": "3", "tsc_ready": "4"}

        def complaints(**changes):
            members = ",".join(f'"{name}":{value}' for name, value in {**good, **changes}.items())
            return checks.check_boot_record(SerialLog(f'{{"neomem":"boot",{members}}}\n'.encode()), "ab")

        self.assertEqual(complaints(), [])
        for name, value in (("kernel_base", '"0xffffffff80000800"'), ("kernel_base", '"0xffffffffc0000000"'),
                            ("hhdm_base", '"0xffff800000200000"'), ("page_levels", "5"), ("tsc_ready", "2"),
                            ("cpus", "0"), ("build_id", '"cd"')):
            self.assertEqual(len(complaints(**{name: value})), 1, name)

    def test_numa_records(self):
        line = '{"neomem":"numa","node":%d,"bytes":%d,"free":5,"cpus":"%s","distances":"%s"}\n'
        others = '{"neomem":"boot","cpus":4}\n{"neomem":"stats","total_physical":100}\n'
        good = [(0, 60, "0-1,3", "10 20"), (1, 40, "2", "21 10")]

        def complaints(nodes):
            return checks.check_numa(SerialLog((others + "".join(line % n for n in nodes)).encode()))

        self.assertEqual(complaints(good), [])
        self.assertEqual(complaints([(0, 100, "0-3", "10")]), [])
        for bad in ([], good[:1], good[1:], [good[0], (1, 41, "2", "21 10")], [good[0], (1, 40, "", "21 10")],
                    [good[0], (1, 40, "2-3", "21 10")], [good[0], (1, 40, "2", "10 21")],
                    [good[0], (1, 40, "2", "21 10 30")], [good[0], (2, 40, "2", "21 10")],
                    [(0, 96, "0-1,3", "10 20"), (1, 4, "2", "21 10")]):
            self.assertTrue(complaints(bad), bad)

    def test_frame_records(self):
        def log(zone_free=90, low_mark=4, **members):
            frames = {"neomem": "frames", "total": 100, "free": 90, "allocated": 3, "reserve": 4, "metadata": 2,
                      "retired": 1, "cached": 0, "spans": 1, "nodes": 1, "hardening": 1, "longest_run": 64,
                      **{f"runs_{n}": 0 for n in checks.RUN_SIZES}, "runs_256k": 1, "runs_4k": 20, **members}
            zone = {"neomem": "frames_zone", "node": 0, "window": "16m", "total": 100, "free": zone_free, "free_2m": 0,
                    "free_1g": 0, "reserve": 0}
            pool = {"neomem": "frames_pool", "name": "page", "limit": 4, "held": 4, "live": 0, "low_mark": low_mark,
                    "allocs": 0, "from_pool": 0, "frees": 0, "failures": 0}
            result = SerialLog("".join(json.dumps(r) + "\n" for r in (frames, zone, pool)).encode())
            self.assertEqual(checks.check_members(result), [])
            return checks.check_frames(result)

        self.assertEqual(log(), [])
        for wrong in ({"free": 89}, {"total": 101}, {"zone_free": 91}, {"zone_free": 101}, {"low_mark": 5},
                      {"runs_4k": 27}, {"runs_1m": 1}, {"longest_run": 91}):
            self.assertTrue(log(**wrong), wrong)


class ScenarioTest(unittest.TestCase):
    def test_the_real_ones_are_valid(self):
        found = scenarios.load_all(SCRIPTS.parent / "test-images")
        self.assertGreater(len(found), 50)
        self.assertEqual(len({s.name.split("-")[0] for s in found}), len(found), "two scenarios have one number")

    def test_mistakes_are_refused(self):
        for text in ("", "title='x'\nmemory=4", "title='x'\ncolour=1", "title='x'\nlayout='tape'",
                     "title='x'\n[expect]\nend='halted'", "title='x'\nappend='y'", "title='x'\n[expect]\nend='soon'",
                     "title='x'\ncfg='a'\ncfg_file='b'", "title='x'\n[[step]]\ntype='x'", "title='"):
            with self.assertRaises(scenarios.ScenarioError, msg=text):
                scenarios.parse("name", None, text)


class ProgramsTest(unittest.TestCase):
    def test_a_changed_elf_is_found_and_digested(self):
        elf = bytearray(b"\x7fELF\x02\x01\x01".ljust(8192, b"\0"))
        struct.pack_into("<H", elf, 18, 62)
        data = bytearray(b"MZ".ljust(4096 - 48, b"\0") + struct.pack("<Q", len(elf)) + bytes(40) + elf)
        changed = programs.change(data, ["elf-redigest machine"])
        self.assertEqual(programs.hashlib.blake2s(changed[4096:]).digest(), changed[4096 - 40:4096 - 8])
        with self.assertRaises(programs.ProgramError):
            programs.change(b"no elf here", ["elf magic"])
        with self.assertRaises(programs.ProgramError):
            programs.change(data, ["paint=blue"])


class ScreenTest(unittest.TestCase):
    @staticmethod
    def dump(font, text, width, padding=0):
        glyphs = {character: rows for rows, character in font.glyphs.items()}
        lines = []
        for y in range(font.height * 3):
            row, column = divmod(y, font.height)
            bits = "".join(format(glyphs[c][column] if row == 1 else 0, f"0{font.width}b") for c in text)
            bits = bits.ljust(width, "0")
            lines.append(b"".join(b"\xd0\xd0\xd0" if b == "1" else b"\0\0\0" for b in bits) + bytes(padding))
        return b"P6\n%d %d\n255\n" % (width, font.height * 3) + b"".join(lines)

    def test_text_is_read_back(self):
        for font in load_fonts():
            text = "neomem> echo 0x1f"
            self.assertEqual(Screen(self.dump(font, text, 640)).text(load_fonts())[1], text)
            self.assertEqual(Screen(self.dump(font, text, 641, padding=1)).text(load_fonts())[1], text)

    def test_squares_are_read_back(self):
        for font in load_fonts():
            text = "0x0080000000  \u2590\u258c\u2590\u258c\u259a\u259a"
            self.assertEqual(Screen(self.dump(font, text, 640)).text(load_fonts())[1], text)

    def test_one_wrong_pixel_is_seen(self):
        font = load_fonts()[0]
        data = bytearray(self.dump(font, "neomem> ", 640))
        start = data.index(b"255\n") + 4 + (font.height + 4) * 640 * 3
        data[start:start + 3] = b"\0\0\0" if data[start] else b"\xd0\xd0\xd0"
        self.assertNotEqual(Screen(bytes(data)).text(load_fonts())[1][:1], "n")

    def test_blank(self):
        self.assertTrue(Screen(b"P6\n8 2\n255\n" + bytes(48)).is_blank())


class DialogueTest(unittest.TestCase):
    def test_chords(self):
        self.assertEqual(dialogue.chords("aB(<up><ctrl+c>\n"),
                         [["a"], ["shift", "b"], ["shift", "9"], ["up"], ["ctrl", "c"], ["ret"]])


class GptTest(unittest.TestCase):
    def test_both_tables(self):
        esp = bytes(range(256)) * 8192
        pieces, size = gpt_image.wrap(esp)
        disk = bytearray(size)
        for offset, data in pieces:
            disk[offset:offset + len(data)] = data
        last = size // 512 - 1
        self.assertEqual(disk[510:512], b"\x55\xaa")
        self.assertEqual(disk[450], 0xEE)
        for here, other in ((1, last), (last, 1)):
            head = bytearray(disk[here * 512:here * 512 + 92])
            crc, = struct.unpack_from("<I", head, 16)
            struct.pack_into("<I", head, 16, 0)
            self.assertEqual(crc, zlib.crc32(head))
            self.assertEqual(struct.unpack_from("<QQ", head, 24), (here, other))
            table, count, entry_bytes, table_crc = struct.unpack_from("<QIII", head, 72)
            entries = disk[table * 512:table * 512 + count * entry_bytes]
            self.assertEqual(table_crc, zlib.crc32(entries))
            first, end = struct.unpack_from("<QQ", entries, 32)
            self.assertEqual(disk[first * 512:(end + 1) * 512], esp)
            first_usable, last_usable = struct.unpack_from("<QQ", head, 40)
            self.assertTrue(first_usable <= first and end <= last_usable < last - 32)

    def test_odd_size_is_refused(self):
        with self.assertRaises(ValueError):
            gpt_image.wrap(b"123")


class ImageTest(unittest.TestCase):
    """The images are the same bytes wherever, whenever and by whomever they are made."""

    def make(self, script, folder, umask, zone):
        efi = Path(folder, "neomem.efi")
        efi.write_bytes(b"MZ" + bytes(range(256)) * 100)
        out = Path(folder, "out")
        subprocess.run([SCRIPTS / script, efi, out], check=True, umask=umask, env={**os.environ, "TZ": zone})
        return disks.digest(out), out.stat().st_size

    def test_reproducible(self):
        for script in ("make_image.sh", "make_iso.sh"):
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
                first = self.make(script, one, 0o022, "UTC")
                os.utime(Path(one), (0, 0))
                second = self.make(script, two, 0o077, "Asia/Tokyo")
                self.assertEqual(first, second, script)
                self.assertGreater(first[1], 34 << 20)


class ConfigTest(unittest.TestCase):
    def test_every_line_of_the_shipped_file_can_be_used(self):
        lines = (SCRIPTS / "neomem.cfg").read_text(encoding="utf-8").splitlines()
        options = [line for line in lines if re.match(r"# [a-z-]+=", line)]
        self.assertGreater(len(options), 5)
        for line in options:
            self.assertRegex(line, r'^# [a-z-]+=("[^"]*"|\S+)\s+# ')
        self.assertTrue(all(line.startswith("#") or not line for line in lines))


class StickTest(unittest.TestCase):
    def test_refusals(self):
        with tempfile.NamedTemporaryFile() as image:
            for device, reason in ((image.name, "not a block device"), ("/dev/null", "not a block device"),
                                   ("/dev/no-such-disk", "not a block device")):
                result = subprocess.run([SCRIPTS / "write_stick.sh", device, image.name], capture_output=True,
                                        text=True, stdin=subprocess.DEVNULL, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn(reason, result.stderr)
                self.assertIn("nothing was written", result.stderr)


class SymbolizeTest(unittest.TestCase):
    def test_self_test(self):
        result = subprocess.run([sys.executable, SCRIPTS / "symbolize.py", "--self-test"], capture_output=True,
                                text=True, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
