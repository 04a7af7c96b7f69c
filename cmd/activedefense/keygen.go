package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"activedefense/agent/display"
	"activedefense/agent/enforce"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// keygenCommand is `keygen`, which asks for a password on the way.
type keygenCommand struct {
	*app
	opts        enforce.KeyOptions
	force       bool
	fetch       bool
	fingerprint string
}

func newKeygenCommand(a *app) *cobra.Command {
	k := &keygenCommand{app: a}
	c := &cobra.Command{
		Use:   "keygen --url https://FIREWALL --user NAME FILE",
		Short: "Have a firewall create an API key, and write it to a file",
		Long: `Prompts for an administrator's password, has the firewall create an API key, and writes it to FILE, which only its
owner can read; a daemon that uses FILE takes a new key at once. The password is read from the terminal without echo, or from standard input, and is
not stored.

Where the CA of the firewall's certificate is not at hand, --fetch-ca shows the fingerprint of what the firewall shows and asks whether it is the
firewall's own before anything is sent to it; compare it with what you see on the firewall itself, not over the same network. Where nobody can be asked,
give it as --fingerprint.`,
		Example: `  activedefense keygen --url https://192.0.2.1 --user svc-activedefense --ca lab-fw-01.pem /etc/activedefense/lab-fw-01.key
  activedefense keygen --url https://192.0.2.1 --user svc-activedefense --fetch-ca --ca /etc/activedefense/lab-fw-01.pem /etc/activedefense/lab-fw-01.key`,
		Args: exactlyOne("the file to write the key to"),
		RunE: func(c *cobra.Command, args []string) error {
			if k.opts.URL == "" || k.opts.Username == "" {
				return usageErrorf("--url and --user are required")
			}
			if k.fetch && (k.opts.CAFile == "" || k.opts.InsecureSkipVerify) || k.fingerprint != "" && !k.fetch {
				return usageErrorf("--fetch-ca needs the file to write the CA to (--ca FILE) and goes without --insecure-skip-verify; --fingerprint belongs to it")
			}
			return k.keygen(c.Context(), args[0])
		},
	}
	c.Flags().StringVar(&k.opts.URL, "url", "", "management address of the firewall, `https://HOST[:PORT]`")
	c.Flags().StringVar(&k.opts.Username, "user", "", "`NAME` of the administrator to create the key for")
	c.Flags().StringVar(&k.opts.CAFile, "ca", "", "`FILE` with the CA of the firewall's certificate in PEM (default the system's)")
	c.Flags().BoolVar(&k.opts.InsecureSkipVerify, "insecure-skip-verify", false, "accept any certificate: anyone on the path can read the password")
	c.Flags().BoolVar(&k.fetch, "fetch-ca", false, "ask the firewall for its certificate and write what signed it to the file of --ca, after you have confirmed its fingerprint")
	c.Flags().StringVar(&k.fingerprint, "fingerprint", "", "with --fetch-ca: the `SHA-256` that it must have; nothing is asked then")
	c.Flags().BoolVar(&k.force, "force", false, "replace FILE, and that of --fetch-ca, if it exists; the owner stays")
	return c
}

// keygen writes the key to a file.
func (k *keygenCommand) keygen(ctx context.Context, file string) error {
	if _, err := os.Lstat(file); err == nil && !k.force {
		return fmt.Errorf("%s exists; write to another file, or use --force to replace it", file)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	draft, err := newSecret(file) // before the password: who is asked for it in vain asks why
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", file, err)
	}
	defer draft.discard()
	if k.fetch {
		if err := k.fetchCA(ctx); err != nil {
			return err
		}
	}
	if k.opts.Password, err = k.password(ctx, fmt.Sprintf("Password of %s at %s: ", k.opts.Username, k.opts.URL)); err != nil {
		return err
	}
	key, err := enforce.MakeKey(ctx, k.opts)
	if err != nil {
		return err
	}
	if err := draft.keep(key + "\n"); err != nil {
		return fmt.Errorf("the key was created but could not be saved: %w", err)
	}
	fmt.Fprintf(k.stdout, "Wrote the API key of %s to %s, readable only by its owner. The daemon's account must be that owner.\n", k.opts.Username, file)
	return nil
}

// fetchCA writes what the firewall is to be trusted by to the file of --ca, if a person says that it is the firewall's.
func (k *keygenCommand) fetchCA(ctx context.Context) error {
	file := k.opts.CAFile
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ca, err := enforce.FetchCA(ctx, k.opts.URL)
	if err != nil {
		return err
	}
	if err == nil && before != nil && !k.force && !bytes.Equal(before, ca.PEM) {
		return fmt.Errorf("%s exists and holds something else; write to another file, or use --force to replace it", file)
	}
	what := "The CA of the certificate that " + k.opts.URL + " shows:"
	if ca.Itself {
		what = "The certificate that " + k.opts.URL + " shows (nothing is shown that signed it; when it is renewed, fetch it again):"
	}
	fmt.Fprintf(k.stderr, "%s\n  subject      %s\n  issuer       %s\n  valid        %s to %s\n  fingerprint  %s (SHA-256)\n", what, display.Harmless(ca.Subject), display.Harmless(ca.Issuer),
		ca.Begins.UTC().Format(time.DateOnly), ca.Ends.UTC().Format(time.DateOnly), ca.Fingerprint)
	if err := k.confirm(ctx, ca.Fingerprint); err != nil {
		return err
	}
	draft, err := newSecret(file)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", file, err)
	}
	defer draft.discard()
	if err := errors.Join(draft.draft.Chmod(0o644), draft.keep(string(ca.PEM))); err != nil { // it is no secret
		return fmt.Errorf("%s cannot be written: %w", file, err)
	}
	fmt.Fprintf(k.stderr, "Wrote it to %s, for ca_file in the configuration.\n", file)
	return nil
}

// confirm has a person, or the flag, say that a fingerprint is the firewall's.
func (k *keygenCommand) confirm(ctx context.Context, shown string) error {
	plain := func(text string) string {
		return strings.NewReplacer(":", "", " ", "", "-", "").Replace(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), "sha256"))
	}
	f, ok := k.stdin.(*os.File)
	switch {
	case k.fingerprint != "" && plain(k.fingerprint) != plain(shown):
		return errors.New("it is not the one of --fingerprint: something else answers at that address, or the firewall has another certificate by now; nothing was written or sent")
	case k.fingerprint != "":
		return nil
	case !ok || !term.IsTerminal(int(f.Fd())):
		return usageErrorf("there is no terminal to ask at: compare the fingerprint above with what the firewall itself says, and give it as --fingerprint; nothing was written or sent")
	}
	fmt.Fprint(k.stderr, "Is this what the firewall itself says (Device > Certificate Management > Certificates)? Type yes: ")
	line, err := interruptible(ctx, func() ([]byte, error) {
		var typed []byte // byte by byte, for what comes behind the line is the password
		for b := make([]byte, 1); len(typed) < 100; {
			if n, err := f.Read(b); n == 0 || err != nil || b[0] == '\n' {
				return typed, err
			}
			typed = append(typed, b[0])
		}
		return typed, nil
	})
	if err != nil || strings.ToLower(strings.TrimSpace(string(line))) != "yes" {
		return errors.New("not confirmed; nothing was written or sent")
	}
	return nil
}

// maxPassword bounds what is read as a password.
const maxPassword = 1024

// password asks at a terminal without an echo, or reads one line.
func (k *keygenCommand) password(ctx context.Context, prompt string) (string, error) {
	if f, ok := k.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return k.typedPassword(ctx, int(f.Fd()), prompt)
	}
	line, err := bufio.NewReader(io.LimitReader(k.stdin, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usageErrorf("no password given: type it at a terminal, or pass it as one line on standard input")
	}
	return line, nil
}

// typedPassword asks at a terminal. After an interrupt the echo is switched on again.
func (k *keygenCommand) typedPassword(ctx context.Context, terminal int, prompt string) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	fmt.Fprint(k.stderr, prompt)
	defer fmt.Fprintln(k.stderr)
	line, err := interruptible(ctx, func() ([]byte, error) { return term.ReadPassword(terminal) })
	if errors.Is(err, context.Canceled) {
		_ = term.Restore(terminal, before) // nothing else could be done about it
		return "", errors.New("interrupted; no key was created")
	}
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(line), nil
}

// interruptible waits for a read, but not beyond ctx: signals end ctx and would not end the read, which then waits in
// vain until the program has ended.
func interruptible(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := read()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A secret is a file in the making that only its owner can read: it is there whole, or not at all.
type secret struct {
	draft *os.File
	file  string // its name in the end
}

func newSecret(file string) (*secret, error) {
	draft, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		var path *fs.PathError // its path is a name that nobody has given
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, err
	}
	return &secret{draft, file}, nil
}

// keep writes it and gives it its name.
func (s *secret) keep(content string) error {
	_, err := s.draft.WriteString(content)
	if before, statErr := os.Stat(s.file); statErr == nil { // the daemon's user may own it, and has to read the new one
		if owner, ok := before.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			err = errors.Join(err, s.draft.Chown(int(owner.Uid), int(owner.Gid)))
		}
	}
	if err = errors.Join(err, s.draft.Sync(), s.draft.Close()); err != nil {
		return err
	}
	return os.Rename(s.draft.Name(), s.file)
}

// discard removes what was not kept; after keep there is nothing to remove.
func (s *secret) discard() {
	_ = s.draft.Close()
	_ = os.Remove(s.draft.Name())
}
