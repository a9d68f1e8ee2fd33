"""Object files of a few bytes, made field by field."""

import struct


def pad(data, to):
    return data + bytes(-len(data) % to)


def names(symbols):
    """A string table, and where each name is in it."""
    table, at = b"\0", {}
    for name in symbols:
        at[name] = len(table)
        table += name.encode() + b"\0"
    return table, at


def elf(parts, symbols, relocs, machine=62, rel=False):
    """parts: name -> bytes; symbols: (name, number of section or 0, value); relocs: part name ->
    [(offset, type, symbol's number from 1, addend)]."""
    strings, at = names([name for name, *_ in symbols])
    table = bytes(24) + b"".join(struct.pack("<IBBHQQ", at[n], 16, 0, section, value, 0) for n, section, value in symbols)
    sections = [("", 0, b"", 0, 0, 0)]
    sections += [(name, 1, data, 0, 0, 0) for name, data in parts.items()]
    link = len(sections)
    sections += [(".symtab", 2, table, link + 1, 1, 24), (".strtab", 3, strings, 0, 0, 0)]
    for name, entries in relocs.items():
        data = b"".join(struct.pack("<QQq", offset, symbol << 32 | kind, addend)[: 16 if rel else 24]
                        for offset, kind, symbol, addend in entries)
        sections.append((f".rela{name}", 9 if rel else 4, data, link, 1 + list(parts).index(name), 16 if rel else 24))
    labels, where = names([name for name, *_ in sections])
    sections.append((".shstrtab", 3, labels + b".shstrtab\0", 0, 0, 0))
    where[".shstrtab"] = len(labels)
    body, rows = b"", b""
    for name, kind, data, to, info, size in sections:
        rows += struct.pack("<IIQQQQIIQQ", where[name], kind, 0, 0, 64 + len(body), len(data), to, info, 1, size)
        body = pad(body + data, 8)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 1, machine, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64,
                       len(sections), len(sections) - 1)
    return head + body + rows


def macho(parts, symbols, relocs, cpu=0x01000007):
    """parts: "segment,section" -> bytes; symbols: (name, number of section or 0, address);
    relocs: part name -> [(offset, type, number, pcrel, log2 of the size, extern)]."""
    strings, at = names([name for name, *_ in symbols])
    start = 32 + 72 + 80 * len(parts) + 24
    body, rows, address = b"", b"", 0
    for name, data in parts.items():
        segment, section = name.split(",")
        entries = b"".join(
            struct.pack("<iI", offset, number | pcrel << 24 | size << 25 | extern << 27 | kind << 28)
            for offset, kind, number, pcrel, size, extern in relocs.get(name, [])
        )
        place = start + len(body)
        body = pad(body + data, 8)
        rows += struct.pack("<16s16sQQIIIIIIII", section.encode(), segment.encode(), address, len(data), place, 0,
                            start + len(body), len(entries) // 8, 0, 0, 0, 0)
        body += entries
        address += len(pad(data, 8))
    table = b"".join(
        struct.pack("<IBBHQ", at[name], 0x0F if section else 1, section, 0, value) for name, section, value in symbols
    )
    head = struct.pack("<8I", 0xFEEDFACF, cpu, 3 if cpu == 0x01000007 else 0, 1, 2, 72 + len(rows) + 24, 0, 0)
    head += struct.pack("<II16sQQQQiiII", 0x19, 72 + len(rows), b"", 0, address, start, len(body), 7, 7, len(parts), 0)
    head += rows
    head += struct.pack("<6I", 2, 24, start + len(body), len(symbols), start + len(body) + len(table), len(strings))
    return head + body + table + strings


def coff(parts, symbols, relocs, machine=0x8664):
    """parts: name -> bytes; symbols: (name, number of section or 0, value); relocs: part name ->
    [(offset, type, symbol's number from 0)]."""
    long_names, extra = b"", {}
    for name in [*parts, *(name for name, *_ in symbols)]:
        if len(name) > 8:
            extra[name] = 4 + len(long_names)
            long_names += name.encode() + b"\0"
    start = 20 + 40 * len(parts)
    body, rows = b"", b""
    for name, data in parts.items():
        entries = b"".join(struct.pack("<IIH", offset, symbol, kind) for offset, kind, symbol in relocs.get(name, []))
        label = f"/{extra[name]}" if name in extra else name
        rows += struct.pack("<8sIIIIIIHHI", label.encode(), 0, 0, len(data), start + len(body), start + len(body) + len(data),
                            0, len(entries) // 10, 0, 0x60500020)
        body += data + entries
    table = b""
    for name, section, value in symbols:
        label = struct.pack("<II", 0, extra[name]) if name in extra else name.encode()
        table += struct.pack("<8sIhHBB", label, value, section, 0, 2, 0)
    head = struct.pack("<HHIIIHH", machine, len(parts), 0, start + len(body), len(symbols), 0, 0)
    return head + rows + body + table + struct.pack("<I", 4 + len(long_names)) + long_names
