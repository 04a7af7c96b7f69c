package ahead

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// settle waits until the reader takes nothing more by itself.
func settle(r *reader, taken func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !taken() {
		r.changed.Wait()
	}
}

// inFolder has temporary files made in a folder of the test.
func inFolder(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return dir
}

// All that a source has is taken though nobody reads, in memory and in a file that has no name, and comes as it was.
func TestAllIsTakenWhileNobodyReads(t *testing.T) {
	dir := inFolder(t)
	want := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	r := take(io.NopCloser(bytes.NewReader(want)), 1000, 1<<20)
	settle(r, func() bool { return r.end != nil })
	if r.end != io.EOF || len(r.memory) != 1000 || r.written != int64(len(want)-1000) {
		t.Errorf("%d bytes are in memory, %d in the file, and it ended with %v", len(r.memory), r.written, r.end)
	}
	if files, err := os.ReadDir(dir); len(files) != 0 || err != nil {
		t.Errorf("others see %v, %v", files, err)
	}
	if got, err := io.ReadAll(r); !bytes.Equal(got, want) || err != nil {
		t.Errorf("%d of %d bytes come, %v", len(got), len(want), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
}

// Whatever the paces and the room, what comes is what was sent, and the error of the source behind it.
func TestWhatComesIsWhatWasSent(t *testing.T) {
	inFolder(t)
	cut := errors.New("cut")
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		want := make([]byte, random.IntN(4096))
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		source := io.MultiReader(bytes.NewReader(want), iotest.ErrReader(cut))
		r := take(io.NopCloser(iotest.HalfReader(source)), random.IntN(300)+1, int64(random.IntN(1000)))
		var got []byte
		p := make([]byte, random.IntN(200)+1)
		var err error
		for n := 0; err == nil; n, err = r.Read(p[:random.IntN(len(p))+1]) {
			got = append(got, p[:n]...)
		}
		if !bytes.Equal(got, want) || !errors.Is(err, cut) {
			t.Fatalf("%d: %d of %d bytes come, and %v", seed, len(got), len(want), err)
		}
		r.Close()
	}
}

// Where there is no room for a file, what is beyond memory is taken as it is read.
func TestWithoutRoomOnDiskItGoesAtTheReadersPace(t *testing.T) {
	t.Setenv("TMPDIR", inFolder(t)+"/none")
	want := strings.Repeat("x", 10_000)
	r := take(io.NopCloser(strings.NewReader(want)), 1000, 1<<20)
	settle(r, func() bool { return r.full })
	if len(r.memory) != 1000 || r.file != nil {
		t.Errorf("%d bytes are in memory, the file is %v", len(r.memory), r.file)
	}
	if got, err := io.ReadAll(r); string(got) != want || err != nil {
		t.Errorf("%d of %d bytes come, %v", len(got), len(want), err)
	}
	r.Close()
}

// Close ends who waits: what takes, whether for the source or for room, and who reads.
func TestCloseEndsWhoWaits(t *testing.T) {
	inFolder(t)
	from, to := io.Pipe()
	r := take(from, 10, 10)
	go io.WriteString(to, strings.Repeat("x", 100))
	settle(r, func() bool { return len(r.memory) == 10 })
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	from, _ = io.Pipe()
	r = take(from, 10, 10)
	read := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 1))
		read <- err
	}()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("a read goes on")
	}
}
