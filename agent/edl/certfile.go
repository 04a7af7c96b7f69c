package edl

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// fileSource serves the operator's own certificate and follows its files.
type fileSource struct {
	certFile, keyFile string
	log               zerolog.Logger
	loaded            [2]stamp // of the files as they were when the served pair was read
	warned            bool
}

// stamp tells a replaced file from the same one.
type stamp struct {
	modified time.Time
	size     int64
}

func (f *fileSource) next(now time.Time, old *tls.Certificate) (*tls.Certificate, error) {
	stamps, err := f.stamps()
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if old != nil && stamps == f.loaded {
		return old, nil
	}
	// The stamps are older than what is read now: a file that changes in between is read again at the next look. So is a
	// pair of which only one half is replaced yet.
	pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s with its key %s: %w", f.certFile, f.keyFile, err)
	}
	if old != nil && validAt(old, now) == nil {
		if err := validAt(&pair, now); err != nil {
			return nil, fmt.Errorf("the replacement in %s cannot be used: %w", f.certFile, err)
		}
	}
	f.loaded = stamps
	return &pair, nil
}

func (f *fileSource) stamps() (both [2]stamp, err error) {
	for i, path := range []string{f.certFile, f.keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return both, err
		}
		both[i] = stamp{info.ModTime(), info.Size()}
		if path == f.keyFile {
			f.checkMode(info.Mode())
		}
	}
	return both, nil
}

func (f *fileSource) checkMode(mode fs.FileMode) {
	open := mode.Perm()&0o007 != 0
	if open && !f.warned {
		f.log.Warn().Str("file", f.keyFile).Stringer("mode", mode.Perm()).Msg("the private key can be read by every user of this machine")
	}
	f.warned = open
}
