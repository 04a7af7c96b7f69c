// Package geo tells the country of an address from a file in MaxMind's format (GeoLite2, DB-IP, IPinfo), which an operator keeps up to
// date. It fetches nothing.
package geo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/oschwald/maxminddb-golang/v2"

	"activedefense/agent/loop"
)

const (
	// lookEvery is how often it is looked whether the file has changed.
	lookEvery = time.Minute
	// mostBytes bounds the file: one with all cities has a quarter.
	mostBytes = 512 << 20
	// mostCountries bounds what is remembered of records of the file, of which one with cities has hundreds of thousands.
	mostCountries = 1 << 16
	// sampled is how many networks are looked at for a country, to tell a file that has none, as those of providers.
	sampled = 10_000
)

// Remedy is what a person can do about a file that gives no countries.
const Remedy = "put a country file in MaxMind's format there (written beside it and renamed), readable by the daemon's user, or set geo.file to \"\"; countries that the firewalls log are there without it"

// A File is one that is followed. It may be used from any goroutine.
type File struct {
	path string
	now  func() time.Time

	mu        sync.Mutex
	seen      fs.FileInfo // of the file when it was last looked at; nil: it could not be
	reader    *maxminddb.Reader
	countries map[uintptr]string // of the reader's records
	fault     error              // why the file as it is now is not used, or not all of it
	since     time.Time          // of fault
}

// Open looks at a file for the first time. One that cannot be used is no error: see [File.Trouble]. With an empty path it is nil.
func Open(path string, now func() time.Time) *File {
	if path == "" {
		return nil
	}
	f := &File{path: path, now: now}
	f.lookOnce()
	return f
}

// Countries is [File.Country]; nil for a nil File.
func (f *File) Countries() func(netip.Addr) string {
	if f == nil {
		return nil
	}
	return f.Country
}

// Run looks every minute whether the file has changed, until ctx ends.
func (f *File) Run(ctx context.Context) error {
	for loop.Pause(ctx, lookEvery) {
		f.lookOnce()
	}
	return nil
}

// lookOnce reads the file if it has changed. One that cannot be used leaves the one before in use, and is read again when it has changed.
func (f *File) lookOnce() {
	f.mu.Lock()
	seen := f.seen
	f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && seen != nil && os.SameFile(seen, info) && seen.Size() == info.Size() && seen.ModTime().Equal(info.ModTime()) {
		return
	}
	var reader *maxminddb.Reader
	if err != nil {
		err = cause(err)
	} else {
		reader, err = read(f.path)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = info
	if err != nil {
		f.seen = nil // it may be readable the next time without having changed: its mode
		f.fail(err)
		return
	}
	f.reader, f.countries, f.fault, f.since = reader, make(map[uintptr]string), nil, time.Time{}
}

// fail notes what is wrong with the file.
func (f *File) fail(err error) {
	if f.fault == nil {
		f.since = f.now()
	}
	f.fault = err
}

// read reads a file into memory: one that is mapped ends the program when somebody makes it shorter.
func read(path string) (*maxminddb.Reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, cause(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > mostBytes:
		return nil, fmt.Errorf("it has %s, and at most %s are read", humanize.IBytes(uint64(info.Size())), humanize.IBytes(mostBytes))
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, fmt.Errorf("read it: %w", cause(err))
	}
	return parse(data)
}

// parse takes what is in a file.
func parse(data []byte) (*maxminddb.Reader, error) {
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, fmt.Errorf("it is not in MaxMind's format, or damaged: %w", err)
	}
	looked := 0
	for r := range reader.Networks() {
		name, err := countryOf(r)
		if err != nil {
			return nil, fmt.Errorf("it is damaged: %w", err)
		}
		if looked++; name != "" {
			return reader, nil
		}
		if looked == sampled {
			break
		}
	}
	return nil, fmt.Errorf("it names no country (it is a %s)", clean(reader.Metadata.DatabaseType))
}

// Country is the English name of the country of an address, else its code; "" where the file does not say. Of a network that is
// registered in one country and used in none, such as an anycast's, it is the former.
func (f *File) Country(a netip.Addr) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	a = a.Unmap()
	if !a.IsValid() || f.reader == nil || a.Is6() && f.reader.Metadata.IPVersion == 4 {
		return ""
	}
	r := f.reader.Lookup(a)
	if err := r.Err(); err != nil {
		f.fail(fmt.Errorf("it is damaged: %w", err))
		return ""
	}
	if !r.Found() {
		return ""
	}
	name, known := f.countries[r.Offset()]
	if known {
		return name
	}
	name, err := countryOf(r)
	if err != nil {
		f.fail(fmt.Errorf("it is damaged: %w", err))
	}
	if len(f.countries) >= mostCountries {
		clear(f.countries)
	}
	f.countries[r.Offset()] = name
	return name
}

// countryOf gives the country of a record: MaxMind and DB-IP write maps, IPinfo a code and a name.
func countryOf(r maxminddb.Result) (string, error) {
	for _, key := range []string{"country_name", "country", "registered_country"} {
		var value any
		if err := r.DecodePath(&value, key); err != nil {
			return "", err
		}
		switch value := value.(type) {
		case string:
			if name := clean(value); name != "" {
				return name, nil
			}
		case map[string]any:
			names, _ := value["names"].(map[string]any)
			name, _ := names["en"].(string)
			code, _ := value["iso_code"].(string)
			if name := cmp.Or(clean(name), clean(code)); name != "" {
				return name, nil
			}
		}
	}
	return "", nil
}

// clean gives a name as a log could have it, or nothing.
func clean(name string) string {
	if len(name) > 63 || strings.ContainsFunc(name, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return ""
	}
	return name
}

// Trouble tells what is wrong with the file, and since when; empty: nothing.
func (f *File) Trouble() (since time.Time, what, remedy string) {
	if f == nil {
		return time.Time{}, "", ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == nil {
		return time.Time{}, "", ""
	}
	what = fmt.Sprintf("geo.file: %s cannot be used: %v", f.path, f.fault)
	if f.reader != nil {
		what += "; countries are told from it as it was read before"
	}
	return f.since, what, Remedy
}

// cause is the reason without the path.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
