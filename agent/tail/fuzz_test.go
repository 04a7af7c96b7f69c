package tail

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// FuzzLines compares what is read of a file, written in two parts, with the same bytes split at their newlines.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nthree"), 5, 8)
	f.Add([]byte("\x00\xff\r\r\n\r\n\n"), 1, 1)
	f.Add(bytes.Repeat([]byte("z"), 3000), 2999, 100)
	f.Add([]byte("\x1f\x8b\x08\n"), 2, 64)
	f.Fuzz(func(t *testing.T, content []byte, at, limit int) {
		if compressed(content) {
			return // passed over, which has its own test
		}
		limit = 1 + max(0, limit)%5000
		at = max(0, at) % (len(content) + 1)
		path := filepath.Join(t.TempDir(), "x.log")
		if err := os.WriteFile(path, content[:at], 0o644); err != nil {
			t.Fatal(err)
		}
		set, err := Open(context.Background(), Options{Inputs: []Input{{Pattern: path}}, MaxLine: limit, newWatcher: noWatcher}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		st := set.Streams()[0]
		have := all(st)
		if err := os.WriteFile(path, content, 0o644); err != nil { // bytes that are there stay as they are
			t.Fatal(err)
		}
		if err := set.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		have = append(have, all(st)...)
		want := bytes.Split(content, []byte{'\n'})
		want = want[:len(want)-1]
		if len(have) != len(want) {
			t.Fatalf("%d lines, want %d", len(have), len(want))
		}
		var next int64
		for i, line := range want {
			end := next + int64(len(line)) + 1
			line = bytes.TrimSuffix(line, []byte{'\r'})
			text := bytes.TrimLeft(line, hole)
			next += int64(len(line) - len(text))
			line = text
			cut := len(line) > limit
			line = line[:min(len(line), limit)]
			if h := have[i]; !bytes.Equal(h.Data, line) || h.Cut != cut || h.Offset != next || h.Next != end {
				t.Fatalf("line %d: %q, cut %v, %d to %d; want %q, cut %v, %d to %d", i, h.Data, h.Cut, h.Offset, h.Next, line, cut, next, end)
			}
			if again, err := set.LineAt(have[i].File, next); err != nil || !bytes.Equal(again, line) {
				t.Fatalf("line %d again: %q, %v", i, again, err)
			}
			next = end
		}
	})
}

// noWatcher spares the making of an inotify instance where nothing waits.
func noWatcher() (*fsnotify.Watcher, error) { return nil, errors.New("not wanted") }

func all(st *Stream) []Line {
	var out []Line
	for line, ok := st.Next(); ok; line, ok = st.Next() {
		line.Data = bytes.Clone(line.Data)
		out = append(out, line)
	}
	return out
}
