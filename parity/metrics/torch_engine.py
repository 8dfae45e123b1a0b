"""The comparison of one run of elements in torch operations, on whatever device the elements are."""

import torch

from parity.metrics.concentration import windows_of
from parity.metrics.exactness import Pair, difference, require_exact, same_bits, unsigned, widened
from parity.metrics.found import Found, Subject
from parity.metrics.histograms import ERROR_BINS, ULP_BINS
from parity.metrics.nonfinite import take_out
from parity.metrics.options import CompareOptions
from parity.metrics.scaled import Rescaled, inner_product, rescaled
from parity.metrics.ulp import longest, ulp_distance
from parity.metrics.worst import WorstElements, worst_rows

# Elements measured at once on the CPU: few enough for the intermediate tensors to stay in cache, and fewer than
# the 32768 from which torch starts threads, which would make sums depend on their number.
CPU_TILE = 3 * 2**13


class TorchEngine:
    """Measures pairs with torch alone."""

    name = f"torch {torch.__version__}"

    def measure(self, subject: Subject, options: CompareOptions, start: int, pair: Pair, floor: float) -> Found:
        """Give what is found in the elements from flat position `start` on; sums are taken in a fixed order.

        Elements of an error up to `floor` need not be listed among the worst. Raises `BadInputError` for an int64
        beyond 2**53 against a float.
        """
        require_exact(pair, options.name)
        size = pair.candidate.numel()
        tile = CPU_TILE if pair.candidate.device.type == "cpu" else size
        total = Found(WorstElements(options.worst_count))
        for at in range(0, size, tile):
            found = _Tile(subject, options, start + at, pair.cut(at, at + tile)).found()
            total.merge(found)
            total.windows += found.windows
        return total


class _Tile:
    def __init__(self, subject: Subject, options: CompareOptions, start: int, pair: Pair):
        self._subject, self._options, self._start, self._pair = subject, options, start, pair
        self._found = Found(WorstElements(options.worst_count), elements=pair.candidate.numel())

    def found(self) -> Found:
        """Measure both sides, and what lies between them."""
        self._found.same_bits = same = same_bits(self._pair)
        candidate = rescaled(widened(self._pair.candidate))
        if same and candidate.is_finite:
            self._add_equal(candidate)
            return self._found
        reference = rescaled(widened(self._pair.reference))
        if not (candidate.is_finite and reference.is_finite):
            self._clean()
            candidate, reference = (rescaled(widened(side)) for side in self._pair)
        moments = self._found.moments
        moments.candidate_squares.add_squares(candidate)
        moments.reference_squares.add_squares(reference)
        product = inner_product(candidate.values, reference.values)
        moments.product.add(product, candidate.shift + reference.shift)
        self._add_differences()
        return self._found

    def _add_equal(self, side: Rescaled) -> None:
        """What `_add_differences` would come to for two equal sides, all finite, without measuring it."""
        moments = self._found.moments
        moments.candidate_squares.add_squares(side)
        moments.reference_squares.add_squares(side)
        moments.product.add_squares(side)
        self._found.add_zero_errors(self._found.elements)

    def _clean(self) -> None:
        self._pair, tally = take_out(self._start, self._pair)
        self._found.nonfinite = tally
        # The zeros put in their place will be counted as exact agreement; only equal infinities are close.
        self._found.add_zero_errors(-tally.excluded)
        self._found.close += tally.equal_infinities

    def _add_differences(self) -> None:
        candidate, reference = (widened(side) for side in self._pair)
        signed = difference(self._pair, candidate, reference)
        error, scaled = signed.abs(), rescaled(signed)
        found, moments = self._found, self._found.moments
        rtol, atol = self._options.tolerances(self._subject.candidate_dtype)
        moments.difference_squares.add_squares(scaled)
        moments.signed, moments.absolute = float(signed.sum()), float(error.sum())
        moments.max_abs = float(error.max())
        found.close += int((error <= atol + rtol * reference.abs()).sum())
        found.error_counts += ERROR_BINS.tally(error)
        distance = ulp_distance(self._pair, reference)
        moments.max_ulp = longest(distance)
        found.ulp_counts += ULP_BINS.tally(unsigned(distance))
        if moments.max_abs > 0:
            found.worst.add(worst_rows(self._start, candidate, reference, error, self._options.worst_count))
            squares = scaled.values * scaled.values
            found.windows = windows_of(squares, self._start, 2 * scaled.shift, self._subject.shape)
