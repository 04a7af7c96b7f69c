package config

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokensAreReadByLine(t *testing.T) {
	sum := strings.Repeat("0a", sha256.Size)
	for _, c := range []struct{ content, fault string }{
		{"", ""},
		{"# who may\n\n anna operator " + sum + "\r\nmonitoring viewer " + strings.ToUpper(sum), ""},
		{"anna operator", "line 1: it has 2 words"},
		{"\nanna root " + sum, `line 2: "root" is no role`},
		{"anna viewer " + sum[2:], "is not the SHA-256"},
		{"anna viewer secret", "is not the SHA-256"},
		{"an\x1bna viewer " + sum, "is no name"},
		{"anna viewer " + sum + "\nanna operator " + sum, "line 2: the name anna stands in an earlier line"},
	} {
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		tokens, err := ReadTokens(path)
		if (err != nil) != (c.fault != "") || err != nil && (!strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: %v", c.content, err)
		}
		for _, token := range tokens {
			if again, err := parseTokens([]byte(token.Line())); err != nil || again[0] != token {
				t.Errorf("%s is read back as %v, %v", token.Line(), again, err)
			}
		}
	}
}

// A line that is none takes nothing from the others, and is named.
func TestSoundLinesCountBesideAFaultyOne(t *testing.T) {
	sum := strings.Repeat("0a", sha256.Size)
	tokens, err := parseTokens([]byte("anna viewer\nberta operator " + sum + "\nberta viewer " + sum + "\nclara viewer " + sum))
	if len(tokens) != 2 || tokens[0].Name != "berta" || tokens[0].Role != RoleOperator || tokens[1].Name != "clara" {
		t.Errorf("%v", tokens)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "line 1: it has 2 words") || !strings.HasSuffix(err.Error(), "; and 1 more are faulty") {
		t.Error(err)
	}
}

// Whoever can write the file can make himself an operator; whoever can read it sees who asks.
func TestATokensFileOfEverybody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode][2]string{0o640: {"", ""}, 0o644: {"", "admin.tokens_file"}, 0o602: {"every user of this host can write", ""}} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := loadBytes([]byte(sound + listed + "admin: {tokens_file: " + path + "}\n"))
		if (err != nil) != (want[0] != "") || err != nil && !strings.Contains(err.Error(), want[0]) || keysOf(warnings) != want[1] {
			t.Errorf("mode %04o: %v, warnings %v", mode, err, warnings)
		}
	}
}
