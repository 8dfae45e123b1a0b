"""The Triton kernels of sketches: many tensors in one launch, each element read once.

What Triton compiles in is in capitals. HALF: 0 for float32, 1 for bfloat16, 2 for float16. Of a batch of tensors:

table: (batch, 7) int64: address of the data in whole chunks, words, chunks, first place in `energies`, place in the
batch, blocks of channels, elements. hashes: (4, 24, longest) int32, by group and run: the slot of the chunk that comes
there, and its three words. partials: (batch, 24, SLICES, 64) float32. energies: float32, the sums of squares of all
chunks. whole: (batch, WHOLE) int32, set to 0 before: checks (24, 64), exponents (256), bits of the largest magnitude,
and 1 where some energy is beyond float32 or not a number. figures: (batch, FIGURES) float64: buckets (24, 64),
positions (32), channels (512). elements: (batch, KEPT) int32, raw bits.
"""

import triton
import triton.language as tl

# Beyond it a chunk's sum of squares is not to be trusted: float32 does not hold it, or something is not finite.
_FINITE = tl.constexpr(3.0e38)


@triton.jit
def mixed(words):
    """Mix 32 bits (murmur3's finaliser)."""
    words = words ^ (words >> 16)
    words = words * 0x85EBCA6B
    words = words ^ (words >> 13)
    words = words * 0xC2B2AE35
    return words ^ (words >> 16)


@triton.jit
def scattered(words):
    """Scatter the bits of each word."""
    return words ^ (words >> 15)


@triton.jit
def _exponent(value):
    return (value.to(tl.int32, bitcast=True) >> 23) & 255


@triton.jit
def _first(words, HALF: tl.constexpr):
    """Give the element in the low bits as float32."""
    if HALF == 0:
        return words.to(tl.float32, bitcast=True)
    if HALF == 1:
        return (words << 16).to(tl.float32, bitcast=True)
    return (words & 0xFFFF).to(tl.uint16).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
def _second(words, HALF: tl.constexpr):
    """Give the element in the high bits as float32."""
    if HALF == 1:
        return (words & 0xFFFF0000).to(tl.float32, bitcast=True)
    return (words >> 16).to(tl.uint16).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
def _taken(even, odd, squares, largest, words, mask, signs, lane, HALF: tl.constexpr):
    """Take a word: one element, or two, of which the mask's last bit says which half comes to which lane."""
    if HALF == 0:
        signed = words ^ ((signs << (31 - lane // 2 % 16 - 16 * ((lane ^ mask) & 1)).to(tl.uint32)) & 0x80000000)
        value = _first(signed, HALF)
        even += value
        squares += value * value
        largest = tl.maximum(largest, (words & 0x7FFFFFFF).to(tl.int32, bitcast=True))
    else:
        # Both signs at once: they lie as far from each other as the halves do.
        signed = words ^ ((signs << (15 - lane % 16).to(tl.uint32)) & 0x80008000)
        swap = (mask & 1) != 0
        left, right = _first(signed, HALF), _second(signed, HALF)
        even += tl.where(swap, right, left)
        odd += tl.where(swap, left, right)
        squares += left * left + right * right
        largest = tl.maximum(largest, left.to(tl.int32, bitcast=True) & 0x7FFFFFFF)
        largest = tl.maximum(largest, right.to(tl.int32, bitcast=True) & 0x7FFFFFFF)
    return even, odd, squares, largest


@triton.jit
def _counted_of(words, HALF: tl.constexpr, SIZE: tl.constexpr):
    counts = tl.histogram(tl.reshape(_exponent(_first(words, HALF)), [SIZE]), 256)
    if HALF != 0:
        counts += tl.histogram(tl.reshape(_exponent(_second(words, HALF)), [SIZE]), 256)
    return counts


@triton.jit
def _counted(w0, w1, w2, w3, HALF: tl.constexpr, SIZE: tl.constexpr):
    return (
        _counted_of(w0, HALF, SIZE) + _counted_of(w1, HALF, SIZE)
        + _counted_of(w2, HALF, SIZE) + _counted_of(w3, HALF, SIZE)
    )  # fmt: skip


@triton.jit
def _hashes_of(hashes, longest, group, start, last, chunks, RUNS: tl.constexpr):
    """Give the chunks that come to a group from runs on, which of them there are, and their three words."""
    run = start + tl.arange(0, RUNS)
    inside = run < last
    own = hashes + group * longest + run
    chunk = run * 24 + tl.load(own, mask=inside, other=0)
    low = tl.load(own + 24 * longest, mask=inside, other=0).to(tl.uint32, bitcast=True)[:, None]
    high = tl.load(own + 48 * longest, mask=inside, other=0).to(tl.uint32, bitcast=True)[:, None]
    third = tl.load(own + 72 * longest, mask=inside, other=0).to(tl.uint32, bitcast=True)[:, None]
    return chunk, inside & (chunk < chunks), low, high, third


@triton.jit
def _words_of(data, chunk, inside, third, lane, HALF: tl.constexpr):
    """Give the words that come to lanes `lane` to `lane + 3`: those of a chunk are in one line of the cache."""
    LANES: tl.constexpr = 64 if HALF == 0 else 32
    mask = (third >> (26 if HALF == 0 else 27)).to(tl.int32)
    own, there = data + (chunk * LANES)[:, None], inside[:, None]
    return (
        tl.load(own + (lane ^ mask), mask=there, other=0),
        tl.load(own + ((lane + 1) ^ mask), mask=there, other=0),
        tl.load(own + ((lane + 2) ^ mask), mask=there, other=0),
        tl.load(own + ((lane + 3) ^ mask), mask=there, other=0),
    )


@triton.jit
def _store(at, a0, a1, a2, a3, b0, b1, b2, b3, VECTORS: tl.constexpr, HALF: tl.constexpr):
    """Store the sums of a group's lanes: for 16-bit formats a lane of words is two lanes of elements."""
    step: tl.constexpr = 4 if HALF == 0 else 8
    of_each: tl.constexpr = 1 if HALF == 0 else 2
    at += tl.arange(0, VECTORS) * step
    tl.store(at, tl.sum(a0, axis=0))
    tl.store(at + of_each, tl.sum(a1, axis=0))
    tl.store(at + 2 * of_each, tl.sum(a2, axis=0))
    tl.store(at + 3 * of_each, tl.sum(a3, axis=0))
    if HALF != 0:
        tl.store(at + 1, tl.sum(b0, axis=0))
        tl.store(at + 3, tl.sum(b1, axis=0))
        tl.store(at + 5, tl.sum(b2, axis=0))
        tl.store(at + 7, tl.sum(b3, axis=0))


@triton.jit
def _total(checks):
    return tl.sum(checks, axis=0).to(tl.int32, bitcast=True)


@triton.jit
def _slice_of(row, part, SLICES: tl.constexpr, COUNTED: tl.constexpr):
    """Give the chunks of a tensor, a slice of its runs, and of how many blocks of 16 runs one is counted."""
    chunks = tl.load(row + 2)
    runs = (chunks + 23) // 24
    blocks = (runs + 15) // 16
    # Slices of whole blocks, since exponents are counted of whole blocks.
    each = (blocks + SLICES - 1) // SLICES * 16
    return chunks, part * each, tl.minimum(part * each + each, runs), (blocks + COUNTED - 1) // COUNTED


@triton.jit
def _publish(own, group, c0, c1, c2, c3, counts, largest, worst, VECTORS: tl.constexpr):
    """Add what is counted in whole numbers, whose sums are the same in any order."""
    spots = own + group * 64 + tl.arange(0, VECTORS) * 4
    tl.atomic_add(spots, _total(c0), sem="relaxed")
    tl.atomic_add(spots + 1, _total(c1), sem="relaxed")
    tl.atomic_add(spots + 2, _total(c2), sem="relaxed")
    tl.atomic_add(spots + 3, _total(c3), sem="relaxed")
    tl.atomic_add(own + 1536 + tl.arange(0, 256), counts, mask=counts > 0, sem="relaxed")
    tl.atomic_max(own + 1792, tl.max(tl.max(largest, axis=1), axis=0), sem="relaxed")
    tl.atomic_max(own + 1793, tl.max(worst, axis=0), sem="relaxed")


# fmt: off
@triton.jit
def read_kernel(table, hashes, longest, partials, whole, energies, HALF: tl.constexpr, SLICES: tl.constexpr,
                RUNS: tl.constexpr, COUNTED: tl.constexpr, COLUMNS: tl.constexpr, WHOLE: tl.constexpr):
    # fmt: on
    """Read one group of one slice of the runs of one tensor."""
    VECTORS: tl.constexpr = 16 if HALF == 0 else 8
    group, part = tl.program_id(0) % 24, tl.program_id(0) // 24
    row = table + tl.program_id(1).to(tl.int64) * COLUMNS
    data = tl.load(row).to(tl.pointer_type(tl.uint32))
    energy, place = energies + tl.load(row + 3), tl.load(row + 4)
    chunks, first, last, counted_each = _slice_of(row, part, SLICES, COUNTED)

    lane = 4 * tl.arange(0, VECTORS)[None, :]
    a0 = tl.zeros([RUNS, VECTORS], dtype=tl.float32)
    a1, a2, a3, b0, b1, b2, b3 = a0, a0, a0, a0, a0, a0, a0
    c0 = tl.zeros([RUNS, VECTORS], dtype=tl.uint32)
    c1, c2, c3 = c0, c0, c0
    largest = tl.zeros([RUNS, VECTORS], dtype=tl.int32)
    counts, worst = tl.zeros([256], dtype=tl.int32), tl.zeros([RUNS], dtype=tl.int32)
    # Hashes are on their way for two turns before they are used, and words for one.
    chunk, inside, low, high, third = _hashes_of(hashes, longest, group, first, last, chunks, RUNS)
    w0, w1, w2, w3 = _words_of(data, chunk, inside, third, lane, HALF)
    later = _hashes_of(hashes, longest, group, first + RUNS, last, chunks, RUNS)
    for start in tl.range(first, last, RUNS):
        next_chunk, next_inside, next_low, next_high, next_third = later
        n0, n1, n2, n3 = _words_of(data, next_chunk, next_inside, next_third, lane, HALF)
        later = _hashes_of(hashes, longest, group, start + 2 * RUNS, last, chunks, RUNS)
        c0 += scattered(w0) * (third | 1)
        c1 += scattered(w1) * (third | 1)
        c2 += scattered(w2) * (third | 1)
        c3 += scattered(w3) * (third | 1)
        mask, signs = (third >> 26).to(tl.int32), tl.where(lane < 2 * VECTORS, low, high)
        squares = tl.zeros([RUNS, VECTORS], dtype=tl.float32)
        a0, b0, squares, largest = _taken(a0, b0, squares, largest, w0, mask, signs, lane, HALF)
        a1, b1, squares, largest = _taken(a1, b1, squares, largest, w1, mask, signs, lane + 1, HALF)
        a2, b2, squares, largest = _taken(a2, b2, squares, largest, w2, mask, signs, lane + 2, HALF)
        a3, b3, squares, largest = _taken(a3, b3, squares, largest, w3, mask, signs, lane + 3, HALF)
        if (start // 16) % counted_each == 0:
            counts += _counted(w0, w1, w2, w3, HALF, RUNS * VECTORS)
        summed = tl.sum(squares, axis=1)
        tl.store(energy + chunk, summed, mask=inside)
        worst = tl.maximum(worst, tl.where(summed < _FINITE, 0, 1))
        chunk, inside, low, high, third = next_chunk, next_inside, next_low, next_high, next_third
        w0, w1, w2, w3 = n0, n1, n2, n3
    _store(partials + ((place * 24 + group) * SLICES + part) * 64, a0, a1, a2, a3, b0, b1, b2, b3, VECTORS, HALF)
    if first < last:
        _publish(whole + place * WHOLE, group, c0, c1, c2, c3, counts, largest, worst, VECTORS)


@triton.jit
def _add_up_positions(own, energy, chunks, part):
    each = (chunks + 31) // 32
    start = part * each
    end = tl.minimum(start + each, chunks)
    total = tl.zeros([1024], dtype=tl.float64)
    while start < end:
        chunk = start + tl.arange(0, 1024)
        total += tl.load(energy + chunk, mask=chunk < end, other=0.0).to(tl.float64)
        start += 1024
    tl.store(own + part, tl.sum(total, axis=0))


@triton.jit
def _add_up_channels(own, energy, chunks, blocks, part):
    column = part * 8 + tl.arange(0, 8)
    sums = tl.zeros([128, 8], dtype=tl.float64)
    line = tl.zeros([], dtype=tl.int64)
    while line * blocks < chunks:
        chunk = (line + tl.arange(0, 128)[:, None]) * blocks + column[None, :]
        inside = (chunk < chunks) & (column[None, :] < blocks)
        sums += tl.load(energy + chunk, mask=inside, other=0.0).to(tl.float64)
        line += 128
    tl.store(own + column, tl.sum(sums, axis=0), mask=column < blocks)


@triton.jit
def _take_elements(own, data, size, seed, KEPT: tl.constexpr, HALF: tl.constexpr):
    for start in range(0, KEPT, 256):
        number = start + tl.arange(0, 256)
        at = _position(number, size, seed, KEPT)
        inside = (number < KEPT) & (at < size)
        if HALF == 0:
            bits = tl.load(data + at, mask=inside, other=0)
        else:
            bits = tl.load(data + at // 2, mask=inside, other=0)
            bits = (bits >> ((at % 2) * 16).to(tl.uint32)) & 0xFFFF
        tl.store(own + number, bits.to(tl.int32, bitcast=True), mask=number < KEPT)


# fmt: off
@triton.jit
def finish_kernel(table, partials, energies, figures, elements, seed, KEPT: tl.constexpr, HALF: tl.constexpr,
                  SLICES: tl.constexpr, COLUMNS: tl.constexpr, FIGURES: tl.constexpr):
    # fmt: on
    """Add up what `read_kernel` left of one tensor, in float64, and take its exact elements.

    Programs: 24 for the buckets, 32 for positions, 64 for eight blocks of channels each, 1 for elements.
    """
    part = tl.program_id(0)
    row = table + tl.program_id(1).to(tl.int64) * COLUMNS
    chunks, place, blocks = tl.load(row + 2), tl.load(row + 4), tl.load(row + 5)
    energy, own = energies + tl.load(row + 3), figures + place * FIGURES
    if part < 24:
        lanes = tl.arange(0, 64)
        at = partials + (place * 24 + part) * SLICES * 64 + tl.arange(0, SLICES)[:, None] * 64 + lanes[None, :]
        tl.store(own + part * 64 + lanes, tl.sum(tl.load(at).to(tl.float64), axis=0))
    elif part < 56:
        _add_up_positions(own + 1536, energy, chunks, part - 24)
    elif part < 120:
        if (part - 56) * 8 < blocks:
            _add_up_channels(own + 1568, energy, chunks, blocks, part - 56)
    else:
        data = tl.load(row).to(tl.pointer_type(tl.uint32))
        _take_elements(elements + place * KEPT, data, tl.load(row + 6), seed, KEPT, HALF)


@triton.jit
def _position(number, size, seed, KEPT: tl.constexpr):
    """Give where the exact elements are, as `layout.element_positions`."""
    if size <= KEPT:
        at = number.to(tl.int64)
    else:
        first = mixed(number.to(tl.uint32) * 0x9E3779B9 + seed)
        if size < 2147483648:
            at = ((first.to(tl.uint64) * size.to(tl.uint64)) >> 32).to(tl.int64)
        else:
            lines = (first.to(tl.uint64) * (size >> 16).to(tl.uint64)) >> 32
            at = ((lines << 16) | (mixed(first ^ 0xFFFFFFFF) >> 16).to(tl.uint64)).to(tl.int64)
    return at
