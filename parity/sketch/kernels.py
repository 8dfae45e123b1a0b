"""The Triton kernels of sketches: many tensors in one launch, each element read once.

What Triton compiles in is in capitals. HALF: 0 for float32, 1 for bfloat16, 2 for float16. Of a batch of tensors:

table: (batch, 10) int64: address of the data in whole chunks, chunks, first place in `energies`, place in the batch,
blocks of channels, elements, `shift` and `gap`: behind each 2 ** shift chunks lie `gap` words that are not the
tensor's; first place in `parts`, and how many. parts: (parts, 2) int32: a row of the table, and the first of PART runs.
hashes: (4, 24 * longest) int32, by run and group: the slot of the chunk that comes there, and its three words.
partials: (parts, 24, 64) float32. energies: float32, the sums of squares of all chunks. whole: (batch, WHOLE) int32,
set to 0 before: checks (24, 64), exponents (256), bits of the largest magnitude, and 1 where some energy is beyond
float32 or not a number. figures: (batch, FIGURES) float64: buckets (24, 64), positions (32), channels (512).
elements: (batch, KEPT) int32, raw bits.
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
def _start_of(chunk, shift, gap, HALF: tl.constexpr):
    """Give the first word of a chunk."""
    LANES: tl.constexpr = 64 if HALF == 0 else 32
    return chunk.to(tl.int64) * LANES + (chunk >> shift).to(tl.int64) * gap


@triton.jit
def _taken(even, odd, check, squares, largest, words, third, signs, lane, HALF: tl.constexpr):
    """Take a word: one element, or two, of which the mask's last bit says which half comes to which lane."""
    check += scattered(words) * (third | 1)
    if HALF == 0:
        shown = lane ^ (third >> 26).to(tl.int32)
        value = _first(words ^ ((signs << (31 - lane // 2 % 16 - 16 * (shown & 1)).to(tl.uint32)) & 0x80000000), HALF)
        even += value
        squares += value * value
        largest = tl.maximum(largest, tl.abs(value))
    else:
        # Both signs at once: they lie as far from each other as the halves do, which are then turned by 0 or 16 bits.
        signed = words ^ ((signs << (15 - lane % 16).to(tl.uint32)) & 0x80008000)
        turn = (third >> 22) & 16
        turned = (signed << turn) | (signed >> ((32 - turn) & 31))
        left, right = _first(turned, HALF), _second(turned, HALF)
        even += left
        odd += right
        squares += left * left
        squares += right * right
        largest = tl.maximum(tl.maximum(largest, tl.abs(left)), tl.abs(right))
    return even, odd, check, squares, largest


@triton.jit
def _hashes_of(hashes, longest, half, run, group, zero):
    """Give the chunks that come to groups in runs, the bits of their signs and the third word, to each thread."""
    at = hashes + ((run * 24 + group) ^ zero)
    chunk = run * 24 + tl.load(at)
    signs, third = tl.load(at + half), tl.load(at + 72 * longest)
    return chunk, signs.to(tl.uint32, bitcast=True), third.to(tl.uint32, bitcast=True)


@triton.jit
def _pair(own, pair, swap, inside):
    """Give the words that come to two lanes: they lie together, swapped or not."""
    both = tl.load(own + pair, mask=inside, other=0)
    low, high = both.to(tl.uint32), (both >> 32).to(tl.uint32)
    return tl.where(swap, high, low), tl.where(swap, low, high)


@triton.jit
def _words_of(data, chunk, chunks, third, lane, shift, gap, HALF: tl.constexpr):
    """Give the words that come to lanes `lane` to `lane + 3`: those of a chunk are in one line of the cache."""
    mask = (third >> (26 if HALF == 0 else 27)).to(tl.int32)
    own = (data + _start_of(chunk, shift, gap, HALF)).to(tl.pointer_type(tl.uint64))
    pair, swap, inside = (lane // 2) ^ (mask >> 1), (mask & 1) != 0, chunk < chunks
    w0, w1 = _pair(own, pair, swap, inside)
    w2, w3 = _pair(own, pair ^ 1, swap, inside)
    return w0, w1, w2, w3


@triton.jit
def _added(values, RUNS: tl.constexpr):
    """Add up what belongs to one group: (lanes, RUNS * 8) to (lanes, 8)."""
    return tl.sum(tl.reshape(values, [values.shape[0], RUNS, 8]), axis=1)


@triton.jit
def _store(at, a0, a1, a2, a3, b0, b1, b2, b3, VECTORS: tl.constexpr, HALF: tl.constexpr, RUNS: tl.constexpr):
    """Store the sums of groups' lanes: for 16-bit formats a lane of words is two lanes of elements."""
    step: tl.constexpr = 4 if HALF == 0 else 8
    of_each: tl.constexpr = 1 if HALF == 0 else 2
    at += tl.arange(0, 8)[None, :] * 64 + tl.arange(0, VECTORS)[:, None] * step
    tl.store(at, _added(a0, RUNS))
    tl.store(at + of_each, _added(a1, RUNS))
    tl.store(at + 2 * of_each, _added(a2, RUNS))
    tl.store(at + 3 * of_each, _added(a3, RUNS))
    if HALF != 0:
        tl.store(at + 1, _added(b0, RUNS))
        tl.store(at + 3, _added(b1, RUNS))
        tl.store(at + 5, _added(b2, RUNS))
        tl.store(at + 7, _added(b3, RUNS))


@triton.jit
def _publish(own, groups, c0, c1, c2, c3, largest, VECTORS: tl.constexpr, RUNS: tl.constexpr):
    """Add what comes out the same in any order."""
    spots = own + (groups + tl.arange(0, 8)[None, :]) * 64 + tl.arange(0, VECTORS)[:, None] * 4
    tl.atomic_add(spots, _added(c0, RUNS).to(tl.int32, bitcast=True), sem="relaxed")
    tl.atomic_add(spots + 1, _added(c1, RUNS).to(tl.int32, bitcast=True), sem="relaxed")
    tl.atomic_add(spots + 2, _added(c2, RUNS).to(tl.int32, bitcast=True), sem="relaxed")
    tl.atomic_add(spots + 3, _added(c3, RUNS).to(tl.int32, bitcast=True), sem="relaxed")
    # Magnitudes are in the order of their bits.
    top = tl.max(tl.max(largest, axis=1), axis=0).to(tl.int32, bitcast=True)
    tl.atomic_max(own + 1792, top, sem="relaxed")


# fmt: off
@triton.jit
def read_kernel(table, parts, hashes, longest, zero, partials, whole, energies, HALF: tl.constexpr, PART: tl.constexpr,
                RUNS: tl.constexpr, COLUMNS: tl.constexpr, WHOLE: tl.constexpr):
    # fmt: on
    """Read eight groups of one part, RUNS runs at a time: each thread has four words of a chunk.

    Groups that follow each other are chunks that do: what is read together lies together. `zero` is 0, which the
    compiler must not know: it would lay hashes out by how they lie in memory, and exchange them at each turn.
    """
    VECTORS: tl.constexpr = 16 if HALF == 0 else 8
    groups, part = tl.program_id(0) % 3 * 8, tl.program_id(0) // 3
    row = table + tl.load(parts + 2 * part) * COLUMNS
    data, chunks = tl.load(row).to(tl.pointer_type(tl.uint32)), tl.load(row + 1).to(tl.int32)
    energy, place = energies + tl.load(row + 2), tl.load(row + 3)
    shift, gap = tl.load(row + 6).to(tl.int32), tl.load(row + 7).to(tl.int32)
    first = tl.load(parts + 2 * part + 1)
    last = tl.minimum(first + PART, (chunks + 23) // 24)

    lane = 4 * tl.arange(0, VECTORS)[:, None] + tl.zeros([1, RUNS * 8], dtype=tl.int32)
    half = tl.where(lane < 2 * VECTORS, 24, 48) * longest
    each = (tl.arange(0, RUNS * 8)[None, :] ^ zero) + tl.zeros([VECTORS, 1], dtype=tl.int32)
    group, turn = groups + each % 8, each // 8
    a0 = tl.zeros([VECTORS, RUNS * 8], dtype=tl.float32)
    a1, a2, a3, b0, b1, b2, b3, largest = a0, a0, a0, a0, a0, a0, a0, a0
    c0 = tl.zeros([VECTORS, RUNS * 8], dtype=tl.uint32)
    c1, c2, c3 = c0, c0, c0
    # Hashes are on their way one turn before they are used.
    later = _hashes_of(hashes, longest, half, first + turn, group, zero)
    for start in tl.range(first, last, RUNS):
        chunk, signs, third = later
        w0, w1, w2, w3 = _words_of(data, chunk, chunks, third, lane, shift, gap, HALF)
        later = _hashes_of(hashes, longest, half, start + RUNS + turn, group, zero)
        squares = tl.zeros([VECTORS, RUNS * 8], dtype=tl.float32)
        a0, b0, c0, squares, largest = _taken(a0, b0, c0, squares, largest, w0, third, signs, lane, HALF)
        a1, b1, c1, squares, largest = _taken(a1, b1, c1, squares, largest, w1, third, signs, lane + 1, HALF)
        a2, b2, c2, squares, largest = _taken(a2, b2, c2, squares, largest, w2, third, signs, lane + 2, HALF)
        a3, b3, c3, squares, largest = _taken(a3, b3, c3, squares, largest, w3, third, signs, lane + 3, HALF)
        summed = tl.sum(squares, axis=0, keep_dims=True) + tl.zeros([VECTORS, 1], dtype=tl.float32)
        tl.store(energy + chunk, summed, mask=chunk < chunks)
    _store(partials + (part * 24 + groups) * 64, a0, a1, a2, a3, b0, b1, b2, b3, VECTORS, HALF, RUNS)
    _publish(whole + place * WHOLE, groups, c0, c1, c2, c3, largest, VECTORS, RUNS)


@triton.jit
def _add_up_buckets(own, partials, first, count):
    """Add up the buckets of eight groups over the parts of a tensor."""
    total = tl.zeros([4, 512], dtype=tl.float64)
    start = tl.zeros([], dtype=tl.int64)
    while start < count:
        part = start + tl.arange(0, 4)[:, None]
        at = partials + (first + part) * 1536 + tl.arange(0, 512)[None, :]
        total += tl.load(at, mask=part < count, other=0.0).to(tl.float64)
        start += 4
    tl.store(own + tl.arange(0, 512), tl.sum(total, axis=0))


@triton.jit
def _add_up_positions(own, whole, energy, chunks, part):
    """Add up the energies of four ranges of positions, and say whether some are beyond float32."""
    each, four = (chunks + 31) // 32, part * 4 + tl.arange(0, 4)
    first = (four * each)[:, None]
    end = tl.minimum(first + each, chunks)
    total = tl.zeros([4, 512], dtype=tl.float64)
    beyond = tl.zeros([4, 512], dtype=tl.int32)
    start = tl.zeros([], dtype=tl.int64)
    while start < each:
        chunk = first + start + tl.arange(0, 512)[None, :]
        found = tl.load(energy + chunk, mask=chunk < end, other=0.0)
        total += found.to(tl.float64)
        beyond |= tl.where(found < _FINITE, 0, 1)
        start += 512
    tl.store(own + four, tl.sum(total, axis=1))
    tl.atomic_max(whole + 1793, tl.max(tl.max(beyond, axis=1), axis=0), sem="relaxed")


@triton.jit
def _add_up_channels(own, energy, chunks, blocks, part):
    """Add up the energies of eight blocks of channels."""
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
def _add(own, counts, BINS: tl.constexpr):
    bins = tl.arange(0, BINS)
    tl.atomic_add(own + bins, counts, mask=(bins > 0) & (counts > 0), sem="relaxed")


@triton.jit
def _count(own, exponent):
    """Count exponents, but for 0; in few bins where they are near each other, as they mostly are."""
    lowest = tl.min(tl.where(exponent > 0, exponent, 255), axis=0)
    if tl.max(exponent, axis=0) - lowest < 31:
        near = tl.histogram(tl.where(exponent > 0, exponent - lowest + 1, 0), 32)
        _add(own + lowest - 1, near, 32)
    else:
        _add(own, tl.histogram(exponent, 256), 256)


@triton.jit
def _count_exponents(own, data, chunks, shift, gap, part, COUNTED: tl.constexpr, HALF: tl.constexpr):
    """Count those of one of the blocks of 16 runs that are counted of a tensor."""
    LANES: tl.constexpr = 64 if HALF == 0 else 32
    blocks = (chunks + 383) // 384
    start = part * ((blocks + COUNTED - 1) // COUNTED) * 384
    end = tl.minimum(start + 384, chunks)
    while start < end:
        chunk = start + tl.arange(0, 64)
        at = data + _start_of(chunk, shift, gap, HALF)[:, None] + tl.arange(0, LANES)[None, :]
        words = tl.reshape(tl.load(at, mask=(chunk < end)[:, None], other=0), [64 * LANES])
        _count(own + 1536, _exponent(_first(words, HALF)))
        if HALF != 0:
            _count(own + 1536, _exponent(_second(words, HALF)))
        start += 64


@triton.jit
def _take_elements(own, data, size, shift, gap, seed, KEPT: tl.constexpr, HALF: tl.constexpr):
    for start in range(0, KEPT, 256):
        number = start + tl.arange(0, 256)
        at = _position(number, size, seed, KEPT)
        inside = (number < KEPT) & (at < size)
        word = _start_of(at // 64, shift, gap, HALF)
        if HALF == 0:
            bits = tl.load(data + word + at % 64, mask=inside, other=0)
        else:
            bits = tl.load(data + word + at % 64 // 2, mask=inside, other=0)
            bits = (bits >> ((at % 2) * 16).to(tl.uint32)) & 0xFFFF
        tl.store(own + number, bits.to(tl.int32, bitcast=True), mask=number < KEPT)


# fmt: off
@triton.jit
def finish_kernel(table, partials, whole, energies, figures, elements, seed, KEPT: tl.constexpr, HALF: tl.constexpr,
                  COUNTED: tl.constexpr, COLUMNS: tl.constexpr, WHOLE: tl.constexpr, FIGURES: tl.constexpr):
    # fmt: on
    """Add up what `read_kernel` left of one tensor, in float64, count its exponents, and take its exact elements.

    Programs: 3 for the buckets, 8 for positions, COUNTED for exponents, 1 for elements, and one for each eight blocks
    of channels that the tensor with most of them has.
    """
    part = tl.program_id(0)
    row = table + tl.program_id(1).to(tl.int64) * COLUMNS
    data, chunks = tl.load(row).to(tl.pointer_type(tl.uint32)), tl.load(row + 1)
    place, blocks, size = tl.load(row + 3), tl.load(row + 4), tl.load(row + 5)
    shift, gap = tl.load(row + 6), tl.load(row + 7)
    energy, own, counted = energies + tl.load(row + 2), figures + place * FIGURES, whole + place * WHOLE
    if part < 3:
        _add_up_buckets(own + part * 512, partials + part * 512, tl.load(row + 8), tl.load(row + 9))
    elif part < 11:
        _add_up_positions(own + 1536, counted, energy, chunks, part - 3)
    elif part < 11 + COUNTED:
        _count_exponents(counted, data, chunks, shift, gap, part - 11, COUNTED, HALF)
    elif part == 11 + COUNTED:
        _take_elements(elements + place * KEPT, data, size, shift, gap, seed, KEPT, HALF)
    elif (part - 12 - COUNTED) * 8 < blocks:
        _add_up_channels(own + 1568, energy, chunks, blocks, part - 12 - COUNTED)


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
