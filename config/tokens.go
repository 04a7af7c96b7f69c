package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The roles of those who ask the API. An operator may read, too.
const (
	RoleViewer   = "viewer"
	RoleOperator = "operator"
)

// A Token lets one program or person ask the API. What is kept is not the token itself but its hash.
type Token struct {
	Name string // who did what is kept by it
	Role string // RoleViewer or RoleOperator
	Sum  [sha256.Size]byte
}

// Line is the token as its file has it, without the end of the line.
func (t *Token) Line() string { return t.Name + " " + t.Role + " " + hex.EncodeToString(t.Sum[:]) }

// maxTokens bounds a file of tokens: each request is compared with all of them.
const maxTokens = 1000

// ReadTokens reads a file of tokens: lines of a name, a role and the SHA-256 of the token as 64 hexadecimal digits. Empty lines and those
// that begin with # count for nothing. Beside a [FaultyTokens] stand those of the sound lines.
func ReadTokens(path string) ([]Token, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is not a regular file", path)
	case info.Size() > mostBytes:
		return nil, fmt.Errorf("%q has %d bytes, which is too large", path, info.Size())
	case info.Mode()&0o002 != 0:
		return nil, fmt.Errorf("every user of this host can write %q, and so give himself a token (mode %04o): chmod o-w %[1]s", path, info.Mode().Perm())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseTokens(content)
}

// FaultyTokens is the error of a file of tokens of which lines are none.
type FaultyTokens struct {
	First string // names the first of them, and what is wrong with it
	Lines int    // how many there are
}

func (e *FaultyTokens) Error() string {
	if e.Lines > 1 {
		return fmt.Sprintf("%s; and %d more are faulty", e.First, e.Lines-1)
	}
	return e.First
}

func parseTokens(content []byte) (tokens []Token, err error) {
	var faulty FaultyTokens
	for n, line := range slices.Collect(bytes.Lines(content)) {
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		t, err := parseToken(text)
		switch {
		case err != nil:
		case slices.ContainsFunc(tokens, func(other Token) bool { return other.Name == t.Name }):
			err = fmt.Errorf("the name %s stands in an earlier line, too", t.Name)
		case len(tokens) == maxTokens:
			err = fmt.Errorf("there are more than %d tokens", maxTokens)
		default:
			tokens = append(tokens, t)
			continue
		}
		if faulty.Lines++; faulty.Lines == 1 {
			faulty.First = fmt.Sprintf("line %d: %v", n+1, err)
		}
	}
	if faulty.Lines > 0 {
		return tokens, &faulty
	}
	return tokens, nil
}

// parseToken reads one line.
func parseToken(text string) (t Token, err error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return t, fmt.Errorf("it has %d words; a line is a name, a role and the SHA-256 of a token, as activedefense token add writes it", len(fields))
	}
	t.Name, t.Role = fields[0], fields[1]
	sum, err := hex.DecodeString(fields[2])
	switch {
	case CheckTokenName(t.Name) != nil:
		return t, CheckTokenName(t.Name)
	case t.Role != RoleViewer && t.Role != RoleOperator:
		return t, fmt.Errorf("%q is no role; use %s or %s", clip(t.Role), RoleViewer, RoleOperator)
	case err != nil || len(sum) != sha256.Size:
		return t, fmt.Errorf("what stands behind name and role is not the SHA-256 of a token (64 hexadecimal digits); activedefense token add writes it")
	}
	copy(t.Sum[:], sum)
	return t, nil
}

// CheckTokenName tells why a token cannot be called so; nil: it can.
func CheckTokenName(name string) error {
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	if name == "" || len(name) > 63 || name[0] == '#' || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%q is no name for a token; use at most 63 letters, digits and signs without a space, such as monitoring", clip(name))
	}
	return nil
}

func admin(s section) Admin {
	a := Admin{
		Listen: s.listen("admin.listen", false), Socket: s.text("admin.socket"),
		Operators: s.k.Strings("admin.operators"), Viewers: s.k.Strings("admin.viewers"),
		TokensFile: s.text("admin.tokens_file"), TLS: s.boolean("admin.tls"),
	}
	if n := len(a.Socket); n > MaxSocket {
		s.fault("admin.socket", "has %d bytes, and the system takes at most %d as the name of a socket; use a shorter path such as /run/activedefense/activedefense.sock", n, MaxSocket)
	}
	if a.Socket != "" && !filepath.IsAbs(a.Socket) {
		s.fault("admin.socket", "%q depends on the working directory, and commands would not find it; begin it with a slash", clip(a.Socket))
	}
	if a.TLS && s.text("edl.listen") == "" {
		s.fault("admin.tls", "needs the certificate of the list, and edl.listen is empty, so there is none; set edl.listen, or serve admin.listen on loopback without it")
	}
	if a.TokensFile == "" {
		return a
	}
	if !loopback(a.Listen) && !a.TLS {
		s.fault("admin.tls", "is false, and admin.listen %s is not on loopback, so that tokens would cross the network in the clear; set it to true, or listen on 127.0.0.1", clip(a.Listen))
		return a
	}
	if s.l.withoutFiles {
		return a
	}
	if _, err := ReadTokens(a.TokensFile); err != nil {
		s.fault("admin.tokens_file", "cannot be used%s: %v", shownPath(a.TokensFile), cause(err))
	} else if info, err := os.Stat(a.TokensFile); err == nil && info.Mode()&0o007 != 0 {
		s.l.warn("admin.tokens_file", "every user of this host can read it (mode %04o); close it to others: chgrp activedefense %[2]s && chmod 0640 %[2]s", info.Mode().Perm(), a.TokensFile)
	}
	return a
}

// MaxSocket is how many bytes the path of a local socket may have (unix(7): 108 with the NUL that ends it).
const MaxSocket = 107

// loopback tells whether an address to listen on is one of this host alone.
func loopback(listen string) bool {
	host, _, _ := cutPort(listen)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
