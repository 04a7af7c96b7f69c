package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"activedefense/agent/display"
	"activedefense/agent/durable"
	"activedefense/config"
)

func newTokenCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list and remove tokens for the API on admin.listen",
		Long: `Tokens are for programs and people that ask over admin.listen: Authorization: Bearer TOKEN. What is kept of one, in admin.tokens_file, is
its SHA-256 alone. A running daemon takes over a change by itself, once it knows the file.`,
		Args: ofSubcommands,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "add NAME ROLE",
		Short: "Make a token, which is printed once; ROLE is viewer, or operator, who may change things",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageErrorf("token add needs a NAME, by which the history has what is done with it, and a ROLE, %s or %s; see %s --help", config.RoleViewer, config.RoleOperator, c.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.addToken(args[0], args[1]) },
	}, &cobra.Command{
		Use:   "list",
		Short: "List the tokens by name",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return listTokens(a) },
	}, &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a token: who has it may do nothing any more, at once",
		Args:  exactlyOne("the NAME of a token, as token list has it"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.removeToken(args[0]) },
	})
	return c
}

// tokens reads the tokens of the configuration. A file that is not there has none.
func (a *app) tokens() (path string, list []config.Token, err error) {
	cfg, err := a.loadPart(config.PartAdmin)
	if err != nil {
		return "", nil, err
	}
	if path = cfg.Admin.TokensFile; path == "" {
		return "", nil, usageErrorf("admin.tokens_file is empty in the configuration%s; set it to a file such as /etc/activedefense/tokens, repeat this, and reload the daemon", a.named())
	}
	list, err = config.ReadTokens(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("admin.tokens_file %s: %w", path, err)
	}
	return path, list, nil
}

func (a *app) addToken(name, role string) error {
	if err := config.CheckTokenName(name); err != nil {
		return &statusError{exitUsage, err}
	}
	if role != config.RoleViewer && role != config.RoleOperator {
		return usageErrorf("%q is no role; use %s, who may read, or %s, who may change things too", role, config.RoleViewer, config.RoleOperator)
	}
	path, list, err := a.tokens()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(t config.Token) bool { return t.Name == name }) {
		return fmt.Errorf("there is a token called %s already; remove it first (activedefense token remove %[1]s), or take another name", name)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	text := base64.RawURLEncoding.EncodeToString(secret)
	added := config.Token{Name: name, Role: role, Sum: sha256.Sum256([]byte(text))}
	if err := rewriteTokens(path, "", added.Line()); err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	if a.json {
		return a.printJSON(map[string]string{"name": name, "role": role, "token": text})
	}
	fmt.Fprintf(a.stderr, "The token of %s, which is shown this once:\n", name)
	_, err = fmt.Fprintln(a.stdout, text)
	return err
}

func listTokens(a *app) error {
	_, list, err := a.tokens()
	if err != nil {
		return err
	}
	t := display.NewTable(a.stdout, "NAME", "ROLE")
	for i := range list {
		if a.json {
			if err := a.printJSON(map[string]string{"name": list[i].Name, "role": list[i].Role}); err != nil {
				return err
			}
			continue
		}
		t.Row(list[i].Name, list[i].Role)
	}
	if a.json {
		return nil
	}
	return t.Flush()
}

func (a *app) removeToken(name string) error {
	path, list, err := a.tokens()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(t config.Token) bool { return t.Name == name }) {
		return usageErrorf("no token is called %q; see activedefense token list", name)
	}
	if err := rewriteTokens(path, name, ""); err != nil {
		return fmt.Errorf("remove the token: %w", err)
	}
	if a.json {
		return a.printJSON(map[string]string{"removed": name})
	}
	_, err = fmt.Fprintf(a.stdout, "the token of %s is removed\n", name)
	return err
}

// rewriteTokens takes the line of a token out of the file, or adds one; the other lines stay as they are. A file that is new belongs to the
// group of its folder, which the daemon's user is in, and is closed to others; one that was there keeps owner and mode. Of several at once each
// waits for the one before, by a lock of the folder.
func rewriteTokens(path, without, added string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", folder.Name(), err)
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var text bytes.Buffer
	for line := range bytes.Lines(old) {
		fields := bytes.Fields(line)
		if len(fields) > 0 && string(fields[0]) == without {
			continue
		}
		if len(fields) > 0 && strings.HasPrefix(added, string(fields[0])+" ") {
			return errors.New("another was added under that name meanwhile")
		}
		text.WriteString(strings.TrimRight(string(line), "\r\n") + "\n")
	}
	if added != "" {
		text.WriteString(added + "\n")
	}
	like, mode, uid := path, fs.FileMode(0o640), -1
	if err != nil {
		like = filepath.Dir(path)
	}
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if like == path {
		mode, uid = info.Mode().Perm(), int(owner.Uid)
	}
	return durable.Write(path, text.Bytes(), mode, func(f *os.File) error {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() { // of the folder too, it is called
			if err := errors.Join(os.Chown(f.Name(), uid, int(owner.Gid)), f.Chmod(mode)); err != nil {
				return err
			}
		}
		return f.Sync()
	})
}
