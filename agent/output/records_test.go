package output

import (
	"errors"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
	"activedefense/store"
)

// The table says what became of a session, and where there is room what it was.
func TestTheTableOfRecordsFitsTheTerminal(t *testing.T) {
	r := store.Record{Time: time.Now(), Type: "TRAFFIC", Outcome: store.LateAnswer, Grade: store.Forgeable, Application: "incomplete", FromZone: "internet", ToZone: "dmz",
		SessionEndReason: "aged-out", Rule: "web"}
	row := api.RecordOf(&r)
	for width, wide := range map[int]bool{0: true, 80: false, wideTable: true} {
		var text strings.Builder
		w := newTableRecords(&text, width)
		if err := errors.Join(w.Write(&row), w.End(true)); err != nil {
			t.Fatal(err)
		}
		head, row, _ := strings.Cut(text.String(), "\n")
		for column, value := range map[string]string{"OUTCOME": "late-answer", "RULE": "web", "GRADE": "forgeable", "APPLICATION": "incomplete", "ZONES": "from internet to dmz", "END REASON": "aged-out"} {
			at := strings.Index(head, column)
			if shown := at >= 0; shown != (wide || column == "OUTCOME" || column == "RULE") || shown && !strings.HasPrefix(row[at:], value) {
				t.Errorf("%d columns: %s is not %s in\n%s", width, column, value, text.String())
			}
		}
	}
}
