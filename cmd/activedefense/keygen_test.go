package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
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

// With --fetch-ca nothing is written or sent before a person, or the flag, has said that the fingerprint is the firewall's.
func TestKeygenFetchesTheCA(t *testing.T) {
	sim, err := panosim.Start(panosim.Options{Users: map[string]string{"svc": "sword fish"}})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	w := &world{t: t, dir: t.TempDir()}
	ca, file := filepath.Join(w.dir, "ca.pem"), filepath.Join(w.dir, "fw.key")
	keygen := func(args ...string) (stderr string, code int) {
		t.Helper()
		cmd := w.command(append([]string{"keygen", "--url", sim.URL(), "--user", "svc"}, args...)...)
		var errOut bytes.Buffer
		cmd.Stdin, cmd.Stderr = strings.NewReader("sword fish\n"), &errOut
		_ = cmd.Run() // its status is what is looked at
		return errOut.String(), cmd.ProcessState.ExitCode()
	}
	stderr, code := keygen("--fetch-ca", "--ca", ca, file)
	shown := regexp.MustCompile(`([0-9A-F]{2}:){31}[0-9A-F]{2}`).FindString(stderr)
	if code != 2 || shown == "" || !strings.Contains(stderr, "give it as --fingerprint") {
		t.Fatalf("nobody can be asked: exit status %d: %s", code, stderr)
	}
	if stderr, code = keygen("--fetch-ca", "--ca", ca, "--fingerprint", strings.Repeat("00:", 31)+"00", file); code != 1 || !strings.Contains(stderr, "something else answers") {
		t.Errorf("another one: exit status %d: %s", code, stderr)
	}
	for _, args := range [][]string{{"--fetch-ca", file}, {"--fetch-ca", "--ca", ca, "--insecure-skip-verify", file}, {"--fingerprint", shown, "--ca", ca, file}} {
		if stderr, code = keygen(args...); code != 2 || !strings.Contains(stderr, "--fetch-ca needs the file") {
			t.Errorf("%q: exit status %d: %s", args, code, stderr)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "*")); len(left) > 0 || sim.Stats().Calls[panosim.KindKeygen] > 0 {
		t.Fatalf("written or sent: %v, %v", left, sim.Stats().Calls)
	}
	w.write(ca, []byte("mine"))
	if stderr, code = keygen("--fetch-ca", "--ca", ca, "--fingerprint", shown, file); code != 1 || !strings.Contains(stderr, "holds something else") {
		t.Errorf("a file that exists: exit status %d: %s", code, stderr)
	}
	for range 2 { // a second time it holds the same
		if stderr, code = keygen("--fetch-ca", "--ca", ca, "--fingerprint", "sha256:"+strings.ToLower(shown), "--force", file); code != 0 {
			t.Fatalf("exit status %d: %s", code, stderr)
		}
	}
	if info, err := os.Stat(ca); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the CA: %v, %v", info, err)
	}
	if key, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(key), "LUFRPT1") {
		t.Errorf("the key: %v", err)
	}

	for typed, confirmed := range map[string]bool{"yes\rsword fish\r": true, "no\rsword fish\r": false, "\r": false} {
		keyboard, terminal := openTerminal(t)
		k := &keygenCommand{app: &app{stdin: terminal, stderr: io.Discard}}
		if _, err := keyboard.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		if err := k.confirm(t.Context(), shown); (err == nil) != confirmed {
			t.Errorf("%q: %v", typed, err)
		}
		if !confirmed {
			continue
		}
		if got, err := k.password(t.Context(), "Password: "); err != nil || got != "sword fish" {
			t.Errorf("the password behind it: %q, %v", got, err)
		}
	}
}
