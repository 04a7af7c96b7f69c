package line

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// Who is near a threshold is so after a restart, also of a copy of the database that a backup gave. For a scan that is who was seen within what its window can still count
// together: whose evidence is older is near until it is seen again, in the run that saw it alone.
func TestWhoIsNearAThresholdIsSoInARestoredCopy(t *testing.T) {
	path, st := filepath.Join(t.TempDir(), "fw1.log"), newTestStore(t)
	options := func(st *store.Store) Options {
		o := testOptions(t, st, path)
		o.Settings.Probe = detect.Probe{Targets: 12, Window: 24 * time.Hour}
		return o
	}
	write(t, path, scan("203.0.113.7", noon, 6)+scan("203.0.113.8", noon.Add(2*time.Hour), 6))
	first := options(st)
	r := start(t, first)
	until(t, "all are stored", func() bool { return first.Stats.Status(time.Now()).Stored == 12 })
	r.end()
	if near := r.engine.Stats().Near; near != 4 { // two for port-scan, and the same two for probe
		t.Errorf("%d are near before", near)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Backup(t.Context(), f, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := store.Open(t.Context(), store.Options{Path: copied})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() // only read
	for name, st := range map[string]*store.Store{"a restart": st, "the copy": other} {
		l := openTestLive(t, options(st))
		if near := l.engine.Stats().Near; near != 3 {
			t.Errorf("%s: %d are near", name, near)
		}
		l.Close()
	}
}
