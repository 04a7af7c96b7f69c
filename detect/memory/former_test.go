package memory

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// What the version before wrote (2026-11-30) of two sources, of which one target refused one, and five targets refused or answered the other.
const (
	formerJournal = "03008080d0fceca9fefa3004cb00710104c63364010014000080808080802003040004cb00710904c633640100160000e48080808020030080a8d6b90704cb00710104c633640100150000ac828080802003040004cb00710904c633640100160000908380808020030080a8d6b90704cb00710104c633640100160000d8848080802003040004cb00710904c633640100160000bc8580808020030080a8d6b90704cb00710104c63364010017000084878080802003040004cb00710904c633640100160000e88780808020040080e8b7d7a80304cb00710104c633640101bb000088a780808020c4e82b65"
	formerTwelve  = "040000000000000104cb00710104c63364010004001400000001692481008080d0fceca9fefa308080808080200104cb00710100040000692481000504c633640100140001018080d0fceca9fefa30000080808080802004c6336401001500010180a8d6b9070000ac828080802004c6336401001600010180a8d6b9070000d8848080802004c6336401001700010180a8d6b907000084878080802004c633640101bb000000000180e8b7d7a803000000000704e73e"
	formerOther   = "040000000000000104cb00710904c6336401040000160000000469248100" + "80f8d2a983aafefa30e8878080802000000000004d0f449c"
)

func TestWhatTheVersionBeforeWroteIsRead(t *testing.T) {
	bytesOf := func(text string) []byte {
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	one, other := peers[0], address("203.0.113.9")
	now := New(roomy, 24*time.Hour, 5)
	now.Keep()
	for i := range uint64(4) {
		at := start + int64(i)*second
		now.Refuse(&Target{Key: one, Dst: address("198.51.100.1"), Port: uint16(20 + i), Time: at, Ref: 1<<40 + 300*i}, new(uint32))
		now.Refuse(&Target{Key: other, Dst: address("198.51.100.1"), Port: 22, Time: at, Ref: 1<<40 + 300*i + 100, Proven: true}, new(uint32))
	}
	now.Answer(&Target{Key: one, Dst: address("198.51.100.1"), Port: 443, Time: start + minute, Ref: 1<<40 + 5000})
	told, loaded := New(roomy, 24*time.Hour, 5), New(roomy, 24*time.Hour, 5)
	if err := told.Apply(bytesOf(formerJournal), func(int) bool { return true }); err != nil {
		t.Fatal(err)
	}
	for key, data := range map[Key]string{one: formerTwelve, other: formerOther} {
		if err := loaded.Load(PartOf(&key), bytesOf(data), start); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []Key{one, other} {
		want := now.Part(nil, PartOf(&key))
		for what, m := range map[string]*Memory{"the journal": told, "the part": loaded} {
			if got := m.Part(nil, PartOf(&key)); !bytes.Equal(got, want) {
				t.Errorf("of %s: %x\nwant %x", what, got, want)
			}
		}
	}
	if size := len(now.Journal(nil)); size >= len(formerJournal)/2*9/10 {
		t.Errorf("the journal has %d bytes, and had %d", size, len(formerJournal)/2)
	}
}
