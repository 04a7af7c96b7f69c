package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"activedefense/agent"
)

func (a *app) keygenCommand() *cobra.Command {
	var opts agent.KeyOptions
	var force bool
	c := &cobra.Command{
		Use:   "keygen --url https://FIREWALL --user NAME FILE",
		Short: "Have a firewall make an API key, and write it to a file",
		Long: `Asks for the password of an administrator, has the firewall make an API key, and writes it to FILE, which only its
owner can read. The password is read from the terminal without an echo, or from standard input, and kept nowhere.`,
		Example: "  activedefense keygen --url https://192.0.2.1 --user svc-activedefense --ca lab-fw-01.pem /etc/activedefense/lab-fw-01.key",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if opts.URL == "" || opts.Username == "" {
				return usageErrorf("--url and --user are needed")
			}
			return a.keygen(c.Context(), opts, args[0], force)
		},
	}
	c.Flags().StringVar(&opts.URL, "url", "", "management address of the firewall, `https://HOST[:PORT]`")
	c.Flags().StringVar(&opts.Username, "user", "", "`NAME` of the administrator whose key it shall be")
	c.Flags().StringVar(&opts.CAFile, "ca", "", "`FILE` with the CA of the firewall's certificate in PEM (default the system's)")
	c.Flags().BoolVar(&opts.InsecureSkipVerify, "insecure-skip-verify", false, "take any certificate: whoever is in between learns the password")
	c.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	return c
}

func (a *app) keygen(ctx context.Context, opts agent.KeyOptions, file string, force bool) error {
	if _, err := os.Lstat(file); err == nil && !force {
		return fmt.Errorf("%s exists; write to another file, or use --force to replace it", file)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var err error
	if opts.Password, err = a.password(fmt.Sprintf("Password of %s at %s: ", opts.Username, opts.URL)); err != nil {
		return err
	}
	key, err := agent.MakeKey(ctx, opts)
	if err != nil {
		return err
	}
	if err := writeSecret(file, key+"\n"); err != nil {
		return fmt.Errorf("the key was made and could not be kept: %w", err)
	}
	fmt.Fprintf(a.stdout, "Wrote the API key of %s to %s, readable by its owner alone. The daemon's account must be that owner.\n", opts.Username, file)
	return nil
}

// maxPassword bounds what is read as a password.
const maxPassword = 1024

// password asks at a terminal without an echo, or reads one line.
func (a *app) password(prompt string) (string, error) {
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(a.stderr, prompt)
		line, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.stderr)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(line), nil
	}
	line, err := bufio.NewReader(io.LimitReader(a.stdin, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usageErrorf("no password was given: type it at a terminal, or give it as one line on standard input")
	}
	return line, nil
}

// writeSecret writes a file that only its owner can read, whole or not at all.
func writeSecret(file, content string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of no use after the rename
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
