package line

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

func TestLineReaderGivesWhatSplitGives(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var data []byte
		for range random.IntN(20) {
			line := bytes.Repeat([]byte{byte('a' + random.IntN(26))}, random.IntN(200_000)>>random.IntN(17))
			if random.IntN(4) == 0 { // a hole
				line = append(make([]byte, random.IntN(1_000_000)>>random.IntN(20)), line...)
			}
			data = append(append(data, line...), "\r\n"[random.IntN(2):]...)
		}
		if random.IntN(2) == 0 {
			data = append(data, "no newline"...)
		}
		want := bytes.Split(data, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		r, total := newLineReader(bytes.NewReader(data)), int64(0)
		for i, w := range want {
			w = bytes.TrimLeft(bytes.TrimSuffix(w, []byte("\r")), "\x00")
			line, size, cut, err := r.next()
			if err != nil || cut != (len(w) > maxLine) || !bytes.Equal(line, w[:min(len(w), maxLine)]) {
				t.Fatalf("line %d of %d: %d bytes (cut %t, error %v) instead of %d", i, len(want), len(line), cut, err, len(w))
			}
			total += size
		}
		if _, _, _, err := r.next(); err != io.EOF || total != int64(len(data)) {
			t.Fatalf("end: %v after %d of %d bytes", err, total, len(data))
		}
	}
}

// A line that is a little too long is cut whatever stands at its limit, also behind a hole.
func TestALineThatIsCutAtACarriageReturn(t *testing.T) {
	for _, zeros := range []int{0, 5 * maxLine} {
		for size, cut := range map[int]bool{maxLine: false, maxLine + 1: true} {
			line := append(bytes.Repeat([]byte("x"), size-1), '\r')
			data := append(make([]byte, zeros), append(line, "\r\n"...)...)
			r := newLineReader(bytes.NewReader(data))
			got, n, was, err := r.next()
			if err != nil || n != int64(len(data)) || was != cut || !bytes.Equal(got, line[:maxLine]) {
				t.Errorf("%d NULs and %d bytes: %d bytes of %d, cut %t, %v", zeros, size, len(got), n, was, err)
			}
		}
		data := append(append(make([]byte, zeros), bytes.Repeat([]byte("x"), maxLine)...), "\ry\n"...)
		r := newLineReader(bytes.NewReader(data))
		if got, _, was, err := r.next(); err != nil || !was || len(got) != maxLine {
			t.Errorf("%d NULs: %d bytes, cut %t, %v", zeros, len(got), was, err)
		}
	}
}
