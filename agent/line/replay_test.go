package line

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

func TestReplayReadsGzipAndSparesTheProtected(t *testing.T) {
	dir := t.TempDir()
	var plain bytes.Buffer
	begin := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, src := range []string{"203.0.113.7", "203.0.113.8", "192.168.1.1"} {
		plain.WriteString(scan(src, begin, 11))
	}
	plain.WriteString("nonsense\n")
	path := filepath.Join(dir, "FW.log.1.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(plain.Bytes())
	z.Close()
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := ReplayOptions{Input: testInput, Settings: testSettings, Guard: detect.NewGuard([]netip.Prefix{prefix("203.0.113.8/32")}, nil)}
	var blocked, refused []netip.Prefix
	opts.Verdict = func(v *detect.Verdict) { blocked = append(blocked, v.Source) }
	opts.Refused = func(v *detect.Verdict, _ error) { refused = append(refused, v.Source) }
	opts.Files = []string{path}
	sum, err := Replay(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(blocked) != "[203.0.113.7/32]" || fmt.Sprint(refused) != "[203.0.113.8/32]" {
		t.Errorf("blocked %v, refused %v", blocked, refused)
	}
	if sum.Lines != 34 || sum.Records != 33 || sum.Bad != 1 || !strings.Contains(sum.FirstBad, "line 34") || sum.Bytes != int64(plain.Len()) {
		t.Errorf("summary %+v", sum)
	}
	for file, want := range map[string]string{"nowhere": "no such file", ".": "is a directory"} {
		opts.Files = []string{filepath.Join(dir, file)}
		if _, err := Replay(t.Context(), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Other logs in the files are no fault, and said with how the first begins.
func TestAReplayOfOtherLogsSaysWhatTheyAre(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw1.log")
	write(t, path, "\n1,2026/11/21 12:00:00,007000000000001,SYSTEM,general,2562,2026/11/21 12:00:00,,general,,0,0,general,informational,\"text\",1,0x0\n")
	opts := ReplayOptions{Files: []string{path}, Input: testInput, Settings: testSettings, Guard: detect.NewGuard(nil, nil), Verdict: func(*detect.Verdict) {}}
	sum, err := Replay(t.Context(), opts)
	if err != nil || sum.Ignored != 2 || sum.Bad != 0 || !strings.HasPrefix(sum.FirstIgnored, path+" line 2: 1,2026/11/21 12:00:00,007000000000001,SYSTEM") {
		t.Errorf("summary %+v: %v", sum, err)
	}
}

// A login is a record; one whose client the firewall cut off is neither a fault nor another log.
func TestAReplayReadsLogins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw1.log")
	const system = "1,2026/11/21 12:00:00,007000000000001,SYSTEM,auth,2562,2026/11/21 12:00:00,,auth-fail,LDAP,0,0,general,medium,\"failed authentication for user '%s'. " +
		"Reason: Invalid username/password. auth profile 'LDAP', vsys 'vsys1', From: 203.0.113.7.\",1,0x0\n"
	write(t, path, fmt.Sprintf(system, "alice")+fmt.Sprintf(system, strings.Repeat("x", 400))+
		"1,2026/11/21 12:00:01,007000000000001,GLOBALPROTECT,0,2562,2026/11/21 12:00:01,vsys1,portal-auth,login,LDAP,,alice,DE,,203.0.113.7,0.0.0.0,,,,,,,,1,,,,failure,,0,,0,GW\n")
	opts := ReplayOptions{Files: []string{path}, Input: testInput, Settings: testSettings, Guard: detect.NewGuard(nil, nil), Verdict: func(*detect.Verdict) {}}
	sum, err := Replay(t.Context(), opts)
	if err != nil || sum.Records != 2 || sum.Cut != 1 || sum.Ignored != 0 || sum.Bad != 0 || sum.Lines != 3 {
		t.Errorf("summary %+v: %v", sum, err)
	}
	now, all := time.Now(), NewStats()
	in := all.input(path)
	in.failed(panos.ErrCut, []byte("x"), now, all)
	in.failed(panos.ErrIgnored, []byte("x"), now, all)
	in.failed(panos.ErrTruncated, []byte("x"), now, all)
	if got := all.Status(now).Inputs[0]; got.Cut != 1 || got.Ignored != 1 || got.Bad != 1 || got.Lines != 3 {
		t.Errorf("%+v", got)
	}
}
