"""Where things stand in the memory that a kernel is given."""

from parity.metrics.histograms import ERROR_BINS, ULP_BINS

# Elements measured at once: few enough for the intermediate arrays to stay in the first-level cache.
TILE = 512
# How far ahead memory is asked for (which takes 5 to 7 % off bfloat16, and nothing off float32).
AHEAD = 2 * TILE

# What an element of a side is. Kinds from FIRST_WHOLE on are whole numbers.
FLOAT64, FLOAT32, BFLOAT16, FLOAT16, INT64, INT32, INT16, INT8, UINT8 = range(9)
FIRST_WHOLE = INT64

# The job, in int64: addresses, what to compare, and one row of AXIS_FIELDS for each axis, the last axis first.
CANDIDATE, REFERENCE, COUNTS, SUMS, COLUMNS, ROOM = range(6)
CANDIDATE_KIND, REFERENCE_KIND, CANDIDATE_BYTES, REFERENCE_BYTES, START, ELEMENTS, WORST, AXES = range(6, 14)
JOB_FIELDS = 14
# Size of the axis; how many of its indices have a column (0: none), which is the first, and where the columns begin.
SIZE, WIDTH, FIRST_INDEX, FIRST_COLUMN, AXIS_FIELDS = range(5)

# COUNTS, in int64; kinds of value are finite, NaN, +inf, -inf.
(SAME, CLOSE, EXCLUDED, MISMATCH, EQUAL_INFINITIES, FIRST_NONFINITE, MOST_STEPS) = range(7)
CANDIDATE_VALUES, REFERENCE_VALUES, ERRORS = 7, 11, 15
ERROR_COUNT, STEP_COUNT = ERROR_BINS.bin_count, ULP_BINS.bin_count
LAST_STEP = STEP_COUNT - 1
STEPS = ERRORS + ERROR_COUNT
COUNT_FIELDS = STEPS + STEP_COUNT

# SUMS, in float64: three rules that are given, then what is found, then WORST rows of WORST_FIELDS.
RTOL, ATOL, FLOOR = 0, 1, 2
CANDIDATE_SQUARES, REFERENCE_SQUARES, PRODUCT, DIFFERENCE_SQUARES, SIGNED, ABSOLUTE, MOST = range(3, 10)
WORST_AT = 10
POSITION, CANDIDATE_VALUE, REFERENCE_VALUE, ERROR, WORST_FIELDS = range(5)

# The leading bits of a float64 count up by one from each bin of errors to the next.
ERROR_SHIFT = 52 - ERROR_BINS.split_bits
FIRST_ERROR_BIN = ((1023 + ERROR_BINS.lowest) << ERROR_BINS.split_bits) - 1
# A key holds the bin of an error above these bits, and that of a distance in them.
STEP_BITS = 6
KEYS = ERROR_COUNT << STEP_BITS

TABLES = 4

# ROOM, in bytes: eight arrays of a tile, and the tables of keys, which a kernel finds and leaves all zero.
PITCH = 8 * TILE
TABLES_AT = 8 * PITCH
ROOM_BYTES = TABLES_AT + 4 * TABLES * KEYS

# Outside these a sum of squares may have lost elements to underflow, or have overflowed.
LEAST_SQUARES, MOST_SQUARES = 1e-200, 1e200
