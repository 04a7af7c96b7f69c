package edl

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
)

// fileSource serves the operator's own certificate and follows its files. They are told by their content, a few kilobytes:
// tools that set the time of what they install would make a renewed certificate pass for the old one.
type fileSource struct {
	certFile, keyFile string
	log               zerolog.Logger
	loaded            digest // of the files when the served pair was read
	seen              digest // of the files when they were last looked at
	warned            bool
}

type digest [sha256.Size]byte

// maxCertFile is many times a certificate with its chain.
const maxCertFile = 1 << 20

func (f *fileSource) next(now time.Time, old *tls.Certificate) (*tls.Certificate, error) {
	cert, err := readSmall(f.certFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	key, err := f.readKey()
	if err != nil {
		return nil, fmt.Errorf("read the certificate's key: %w", err)
	}
	certSum, keySum := sha256.Sum256(cert), sha256.Sum256(key)
	sum := digest(sha256.Sum256(append(certSum[:], keySum[:]...)))
	settled := sum == f.seen
	f.seen = sum
	oldIsGood := old != nil && validAt(old, now) == nil
	if old != nil && sum == f.loaded {
		return old, nil
	}
	if oldIsGood && !settled {
		// Files that have just changed may not be whole yet: one half of the pair, or a certificate without its chain, which
		// firewalls would not accept. There is time until the next look.
		return old, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s with its key %s: %w", f.certFile, f.keyFile, err)
	}
	if err := validAt(&pair, now); err != nil && oldIsGood {
		return nil, fmt.Errorf("the replacement in %s cannot be used: %w", f.certFile, err)
	}
	f.loaded = sum
	return &pair, nil
}

func (f *fileSource) readKey() ([]byte, error) {
	if info, err := os.Stat(f.keyFile); err == nil {
		f.checkMode(info.Mode())
	}
	return readSmall(f.keyFile)
}

// readSmall reads a file that should be small, and not more of it than that.
func readSmall(path string) ([]byte, error) {
	file, err := durable.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxCertFile+1))
	if err == nil && len(b) > maxCertFile {
		err = errors.New(path + " is too large for a certificate or a key")
	}
	return b, err
}

func (f *fileSource) checkMode(mode fs.FileMode) {
	open := mode.Perm()&0o007 != 0
	if open && !f.warned {
		f.log.Warn().Str("file", f.keyFile).Stringer("mode", mode.Perm()).Msg("the private key can be read by every user of this host")
	}
	f.warned = open
}
