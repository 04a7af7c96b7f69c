package labels

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"activedefense/agent/durable"
)

// Folder keeps copies as files in a folder, each under a name made of the path of what it is a copy of.
type Folder struct {
	Dir string
	// Write replaces a file as a whole, so that it lasts; nil, as a command beside a daemon has it: Save does nothing.
	Write func(path string, data []byte) error
}

// Where is the copy of a file.
func (f Folder) Where(file string) string {
	sum := sha256.Sum256([]byte(file))
	return filepath.Join(f.Dir, hex.EncodeToString(sum[:8])+".txt")
}

// Save replaces the copy of a file.
func (f Folder) Save(file string, entries []byte) error {
	if f.Write == nil {
		return nil
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	return f.Write(f.Where(file), entries)
}

// Load gives the copy of a file.
func (f Folder) Load(file string) ([]byte, error) { return durable.Read(f.Where(file)) }

// Keep deletes the copies of all other files, so that one of them that is named again later begins as it is then. A folder that
// is not there holds none.
func (f Folder) Keep(files []File) error {
	held, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, copied := range held {
		path := filepath.Join(f.Dir, copied.Name())
		if !slices.ContainsFunc(files, func(file File) bool { return f.Where(file.CopyName()) == path }) {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}
