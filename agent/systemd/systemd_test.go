package systemd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

// Each line begins with its priority, is one line, and drives no terminal.
func TestTheJournalIsToldPriorities(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(NewJournal(&out)).With().Timestamp().Logger()
	log.Info().Str("file", "a b").Msg("one\x1b[2J\nmore")
	log.Warn().Err(errors.New("x\ny")).Msg("two")
	log.Error().Int("n", 3).Msg("three")
	log.Debug().Msg("four")
	want := "<6>one\\u001b[2J\\u000amore file=\"a b\"\n<4>two error=\"x\\ny\"\n<3>three n=3\n<7>four\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTheJournalIsFoundByItsStream(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ReadByJournal(f, []string{"JOURNAL_STREAM=1:2"}) || ReadByJournal(f, nil) || ReadByJournal(&bytes.Buffer{}, []string{"JOURNAL_STREAM=1:2"}) {
		t.Error("a file is taken for the journal")
	}
	if stream, err := streamOf(f); err != nil || !ReadByJournal(f, []string{"JOURNAL_STREAM=" + stream}) {
		t.Errorf("the journal's own stream is not known: %v", err)
	}
}
