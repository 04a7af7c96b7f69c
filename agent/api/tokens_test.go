package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/config"
)

// keep writes a file of tokens.
func keep(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A change of the file is taken over at the next request: a token that is gone is none, whatever its other lines are, and a fault is named. A file
// that anybody can write keeps those that it had.
func TestTheTokensFollowTheirFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	anna := config.Token{Name: "anna", Role: config.RoleViewer, Sum: sha256.Sum256([]byte("one"))}
	berta := config.Token{Name: "berta", Role: config.RoleOperator, Sum: sha256.Sum256([]byte("two"))}
	keep(t, path, anna.Line()+"\n")
	s := newStage(t, func(o *Options) { o.Config.Admin.TokensFile = path })
	expect := func(when, token string, want int) {
		t.Helper()
		if r := s.over("GET", Prefix+"status", "", "Authorization", "bearer "+token); r.status != want {
			t.Errorf("%s: %q is answered %d", when, token, r.status)
		}
	}
	expect("at the start", "one", http.StatusOK)
	expect("at the start", "two", http.StatusUnauthorized)
	keep(t, path, anna.Line()+"\n"+berta.Line()+"\n")
	expect("added", "two", http.StatusOK)
	trouble := func(when, want string) {
		t.Helper()
		if _, what, remedy := s.server.Trouble(); what != want && (want == "" || !strings.HasPrefix(what, "tokens: "+path+want) || remedy == "") {
			t.Errorf("%s: %q, %q", when, what, remedy)
		}
	}
	trouble("sound", "")
	keep(t, path, "nonsense\n"+berta.Line()+"\n")
	expect("removed beside a faulty line", "one", http.StatusUnauthorized)
	expect("beside a faulty line", "two", http.StatusOK)
	trouble("a faulty line", ": line 1: it has 1 words")
	keep(t, path, berta.Line()+"\n")
	expect("mended", "two", http.StatusOK)
	trouble("mended", "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("gone", "two", http.StatusUnauthorized)
	trouble("gone", " is gone")
	keep(t, path, berta.Line()+"\n")
	if err := os.Chmod(path, 0o602); err != nil { // what everybody can write is not read
		t.Fatal(err)
	}
	expect("everybody's", "two", http.StatusUnauthorized)
	trouble("everybody's", " cannot be used, and who had a token before has it still: every user of this host can write")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	expect("closed", "two", http.StatusOK)
	trouble("closed", "")
}

// A fault in the file is told though nobody asks.
func TestTheTokensAreLookedAtThoughNobodyAsks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	keep(t, path, "anna\n")
	s := newStage(t, func(o *Options) { o.Config.Admin.TokensFile = path })
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		if _, what, _ := s.server.Trouble(); strings.Contains(what, "line 1: it has 1 words") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the faulty line is not told")
		}
	}
}

// Wrong tokens wait, a few at a time, and hold up no right one.
func TestWrongTokensAreSlowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	anna := config.Token{Name: "anna", Role: config.RoleViewer, Sum: sha256.Sum256([]byte("one"))}
	keep(t, path, anna.Line()+"\n")
	waiting, release := make(chan struct{}, mostSlowed), make(chan struct{})
	s := newStage(t, func(o *Options) {
		o.Config.Admin.TokensFile = path
		o.Pause = func(context.Context, time.Duration) bool { waiting <- struct{}{}; <-release; return true }
	})
	var group sync.WaitGroup
	for range mostSlowed {
		group.Go(func() {
			if r := s.over("GET", Prefix+"status", "", "Authorization", "Bearer wrong"); r.status != http.StatusUnauthorized {
				t.Errorf("a wrong one is answered %d", r.status)
			}
		})
	}
	for range mostSlowed {
		<-waiting
	}
	if r := s.over("GET", Prefix+"status", "", "Authorization", "Bearer wrong"); r.status != http.StatusTooManyRequests {
		t.Errorf("one more is answered %d", r.status)
	}
	if r := s.over("GET", Prefix+"status", "", "Authorization", "Bearer one"); r.status != http.StatusOK {
		t.Errorf("the right one is answered %d", r.status)
	}
	close(release)
	group.Wait()
}
