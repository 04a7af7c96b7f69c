package edl

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// BenchmarkPublish50k publishes a full list whose order and content differ each time, the dearest case; "same" is the case
// in which only activity moved; "over" has a tenth more than fit.
func BenchmarkPublish50k(b *testing.B) {
	run := func(name string, n int, change bool) {
		b.Run(name, func(b *testing.B) {
			s := benchServer(b)
			one, other := manyEntries(n), manyEntries(n + 1)[1:]
			s.Publish(slices.Clone(one), time.Now())
			b.ReportAllocs()
			for i := range b.N {
				b.StopTimer()
				list := slices.Clone(one)
				if change && i%2 == 0 {
					list = slices.Clone(other)
				}
				b.StartTimer()
				s.Publish(list, time.Now())
			}
		})
	}
	run("changed", 50_000, true)
	run("same", 50_000, false)
	run("over", 55_000, true)
}

func BenchmarkSave50k(b *testing.B) {
	list, _ := arrange(manyEntries(50_000), 0)
	l := &lastGood{updated: time.Now(), since: time.Now(), etag: `"x"`, entries: list}
	for b.Loop() {
		if len(l.encode()) == 0 {
			b.Fatal("nothing")
		}
	}
}

// BenchmarkFetch is a whole fetch as a firewall makes it: connection, TLS handshake, 50,000 entries.
func BenchmarkFetch(b *testing.B) {
	s := benchServer(b)
	run(b, s)
	s.Publish(manyEntries(50_000), time.Now())
	c := client(b, s)
	b.SetBytes(int64(s.Status().Bytes))
	for b.Loop() {
		r, err := c.Get(s.url())
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != r.ContentLength {
			b.Fatal(n, err)
		}
		_ = r.Body.Close()
	}
}

// BenchmarkAnswer is our part of it, without the network.
func BenchmarkAnswer(b *testing.B) {
	s := benchServer(b)
	s.Publish(manyEntries(50_000), time.Now())
	r := httptest.NewRequest(http.MethodGet, "https://agent.example"+s.opts.Path, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(discard{http.Header{}}, r)
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func benchServer(b *testing.B) *Server {
	b.Helper()
	return mustNew(b, Options{Listen: "127.0.0.1:0", Path: "/files/blacklist.txt", StateDir: b.TempDir(), MaxEntries: 50_000})
}
