package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
)

func TestKeygenWritesAKeyForItsOwnerAlone(t *testing.T) {
	sim, err := panosim.Start(panosim.Options{Users: map[string]string{"svc": "sword fish"}})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	w := &world{t: t, dir: t.TempDir()}
	ca, file := filepath.Join(w.dir, "ca.pem"), filepath.Join(w.dir, "fw.key")
	w.write(ca, sim.CA())
	keygen := func(password string, args ...string) (stdout, stderr string, code int) {
		t.Helper()
		cmd := w.command(append([]string{"keygen", "--url", sim.URL(), "--user", "svc"}, args...)...)
		var out, errOut bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(password), &out, &errOut
		_ = cmd.Run() // its status is what is looked at
		if all := out.String() + errOut.String(); strings.Contains(all, "sword fish") || strings.Contains(all, "LUFRPT1") {
			t.Errorf("password or key is printed: %s", all)
		}
		return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
	}
	if _, stderr, code := keygen("sword fish\n", file); code != 1 || !strings.Contains(stderr, "--ca") {
		t.Errorf("a certificate that does not verify: exit status %d: %s", code, stderr)
	}
	if _, stderr, code := keygen("wrong\n", "--ca", ca, file); code != 1 || !strings.Contains(stderr, "Invalid Credential") {
		t.Errorf("a wrong password: exit status %d: %s", code, stderr)
	}
	if _, stderr, code := keygen("", "--ca", ca, filepath.Join(w.dir, "nowhere", "fw.key")); code != 1 || !strings.Contains(stderr, "cannot be written: no such") {
		t.Errorf("a folder that is not there is not seen before the password is asked for: exit status %d: %s", code, stderr)
	}
	if _, stderr, code := keygen("", "--ca", ca, file); code != 2 || !strings.Contains(stderr, "password") {
		t.Errorf("no password: exit status %d: %s", code, stderr)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a key file is there although no key was made")
	}
	if _, stderr, code := keygen("sword fish\n", "--ca", ca, file); code != 0 {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key file: %v, %v", info, err)
	}
	key, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(key), "LUFRPT1") {
		t.Fatalf("the key file does not hold a key: %v", err)
	}
	if _, stderr, code := keygen("sword fish\n", "--ca", ca, file); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("a file that exists: exit status %d: %s", code, stderr)
	}
	if _, stderr, code := keygen("sword fish", "--ca", ca, "--force", file); code != 0 {
		t.Errorf("with --force: exit status %d: %s", code, stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, _, code := w.run("keygen", file); code != 2 {
		t.Errorf("without --url: exit status %d", code)
	}
}
