package listen

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"activedefense/agent/tail"
)

// Senders that send the same are each read, though files that begin alike are copies elsewhere; whatever the folder is called.
func TestWhatSendersSendAlikeIsReadOfEach(t *testing.T) {
	k := &spoolKit{kit: &kit{t: t}}
	k.o.Dir = filepath.Join(t.TempDir(), `a[b]*\c`)
	in := Input{Network: "udp", Address: "[::]:514"}
	var err error
	k.spool, err = openSpool(filepath.Join(k.o.Dir, folderOf(&in)), 100<<20, zerolog.Nop(), k.kit.now)
	k.must(err)
	same := strings.Repeat("the same line, longer than what files are known by\n", 100)
	k.write(netip.MustParseAddr("192.0.2.1"), same)
	k.write(netip.MustParseAddr("2001:db8::1"), same)
	set, err := tail.Open(t.Context(), tail.Options{Inputs: []tail.Input{{Pattern: Pattern(k.o.Dir, &in), Sealed: true}}}, nil)
	k.must(err)
	defer set.Close()
	read := func() (n int) {
		for _, st := range set.Streams() {
			for {
				line, ok := st.Next()
				if !ok {
					break
				}
				if len(strings.TrimSpace(string(line.Data))) > 0 {
					n++
				}
			}
		}
		return n
	}
	if n := read(); n != 200 {
		t.Errorf("%d of 200 lines", n)
	}
	// And so is what the same sender sends again, into the next file.
	for _, f := range k.senders {
		k.must(k.seal(f))
	}
	k.write(netip.MustParseAddr("192.0.2.1"), same)
	k.must(set.Refresh(t.Context()))
	if n := read(); n != 100 {
		t.Errorf("%d of 100 lines", n)
	}
	// And what comes after a person has deleted the folder.
	k.must(os.RemoveAll(k.dir))
	k.must(set.Refresh(t.Context()))
	k.write(netip.MustParseAddr("192.0.2.1"), same)
	k.write(netip.MustParseAddr("2001:db8::1"), same)
	k.must(set.Refresh(t.Context()))
	if n := read(); n != 200 {
		t.Errorf("%d of 200 lines", n)
	}
	if _, err := os.Stat(filepath.Join(k.dir, "2001:db8::1.log")); err != nil || filepath.Base(k.dir) != "udp-::-514" {
		t.Error(k.dir, err)
	}
}
