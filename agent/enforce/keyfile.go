package enforce

import (
	"os"
	"sync"
	"time"

	"activedefense/config"
)

// settled is how long a key file must have been as it is until it is not read again: two writes within one tick of the file system's clock look
// like one.
const settled = 2 * time.Second

// A keyFile is a file with an API key. It is looked at whenever its key is asked for, and read when it is not what it was; while it holds
// nothing that could be a key, the one that it held stays.
type keyFile struct {
	path string
	now  func() time.Time

	mu    sync.Mutex
	seen  os.FileInfo // when it was last read; nil: it was not, or could not be
	key   string
	made  time.Time // when the file with that key was written
	fault string    // why it holds none now; "": it does
	since time.Time // of the fault
	news  int       // how often it held another key
}

// newKeyFile begins with the key that the configuration was loaded with.
func newKeyFile(path, key string, now func() time.Time) *keyFile {
	f := &keyFile{path: path, now: now, key: key}
	f.read()
	return f
}

// read gives the key; it is what xmlapi.Options.ReadKey wants.
func (f *keyFile) read() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && f.seen != nil && os.SameFile(info, f.seen) && info.ModTime().Equal(f.seen.ModTime()) && info.Size() == f.seen.Size() && f.now().Sub(info.ModTime()) > settled {
		return f.key
	}
	key, err := config.ReadKey(f.path)
	if f.seen = info; err != nil {
		if f.fault == "" {
			f.since = f.now()
		}
		f.fault = err.Error()
		return f.key
	}
	f.fault, f.since = "", time.Time{}
	if info != nil {
		f.made = info.ModTime()
	}
	if key.Reveal() != f.key {
		f.key = key.Reveal()
		f.news++
	}
	return f.key
}

// written is when the file with the key was last written to; zero: not known.
func (f *keyFile) written() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made
}

// state gives what is wrong with it and since when, and how often it held another key.
func (f *keyFile) state() (fault string, since time.Time, news int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault, f.since, f.news
}
