package agent

// A line is remembered by the engine as one number, so that evidence costs eight bytes: the file's
// identity in the upper 24 bits and the offset of the line's first byte in the lower 40 (1 TiB).
const (
	refOffsetBits = 40
	refOffsetMask = 1<<refOffsetBits - 1
	refFileMask   = 1<<(64-refOffsetBits) - 1
)

// makeRef packs a line's place. A place beyond the range (a file over 1 TiB, or more than 16 million
// files seen) wraps: the evidence of such a line is then missing from an explanation, nothing else.
func makeRef(file, offset int64) uint64 {
	return uint64(file)&refFileMask<<refOffsetBits | uint64(offset)&refOffsetMask
}

// splitRef undoes makeRef.
func splitRef(ref uint64) (file, offset int64) {
	return int64(ref >> refOffsetBits), int64(ref & refOffsetMask)
}
