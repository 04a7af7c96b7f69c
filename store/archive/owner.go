package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ownerFile is the file in the folder that has the identity of the database whose files these are.
const ownerFile = "database"

// ours tells whether the files are of this database: the folder says so or, where it says nothing, the database has named some.
func (a *Archive) ours(named bool) (bool, error) {
	data, err := os.ReadFile(filepath.Join(a.folder, ownerFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read whose the records files are: %w", err)
	}
	if owner := strings.TrimSpace(string(data)); owner != "" {
		return owner == a.registry.Identity(), nil
	}
	return named, nil
}

// own notes that the files are of this database.
func (a *Archive) own() error {
	path, id := filepath.Join(a.folder, ownerFile), a.registry.Identity()
	if data, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(data)) == id {
		return nil
	}
	if err := errors.Join(os.WriteFile(path+".part", []byte(id+"\n"), 0o600), os.Rename(path+".part", path)); err != nil {
		return fmt.Errorf("note whose the records files are: %w", err)
	}
	return nil
}

// formerFolder is where the files of a former database are moved to, in the folder.
const formerFolder = "former"

// moveAway moves files there.
func (a *Archive) moveAway(paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	to := filepath.Join(a.folder, formerFolder)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("make a folder for the records files of a former database: %w", err)
	}
	for _, path := range paths {
		if err := os.Rename(path, filepath.Join(to, filepath.Base(path))); err != nil {
			return fmt.Errorf("move the records files of a former database away: %w", err)
		}
	}
	return nil
}
