package detect

// Grade says how well the source of evidence is known.
type Grade uint8

const (
	// GradeUnknown is the zero value: nothing was counted.
	GradeUnknown Grade = iota
	// Forgeable: single packets from a forged source would have looked the same.
	Forgeable
	// Proven: there was a session with the source, so that it was really there.
	Proven
)

// String gives "forgeable" or "proven", "" for GradeUnknown.
func (g Grade) String() string {
	switch g {
	case Forgeable:
		return "forgeable"
	case Proven:
		return "proven"
	}
	return ""
}

// Mode says what a rule does with a source that fires it.
type Mode uint8

const (
	// Block is the zero value: the source is blocked, or held where that needs a person.
	Block Mode = iota
	// Observe: it is told and kept, and goes on being counted.
	Observe
	// Off: the rule counts nothing.
	Off
)

// String gives the word that the configuration uses.
func (m Mode) String() string {
	switch m {
	case Observe:
		return "observe"
	case Off:
		return "off"
	}
	return "block"
}
