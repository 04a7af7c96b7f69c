package durable

import (
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// writes are those that have begun and not ended. A disk is shared by all of a process, also by what was left behind.
type writes struct {
	mu     sync.Mutex
	byPath map[string]*write
}

type write struct {
	since time.Time
	ended chan struct{} // closed
}

var running = writes{byPath: make(map[string]*write)}

// begin notes a write, unless one of the path has not ended, which it gives then.
func (w *writes) begin(path string) (other *write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other = w.byPath[path]; other == nil {
		w.byPath[path] = &write{time.Now(), make(chan struct{})}
	}
	return other
}

func (w *writes) end(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.byPath[path].ended)
	delete(w.byPath, path)
}

// Unanswered gives the file in or below a folder whose writing has begun first and not ended, and since when; "": there is none.
func Unanswered(dir string) (path string, since time.Time) {
	running.mu.Lock()
	defer running.mu.Unlock()
	for at, one := range running.byPath {
		if strings.HasPrefix(at, filepath.Clean(dir)+string(filepath.Separator)) && (path == "" || one.since.Before(since)) {
			path, since = at, one.since
		}
	}
	return path, since
}
