package block

import (
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// SchemaVersion is that of the columns of a file. One of the first version has the first numColumnsFirst of them; in the others its records have no text.
const (
	SchemaVersion      = "2"
	schemaVersionFirst = "1"
)

// What a file's metadata say besides what Parquet wants.
const (
	metaVersion = "activedefense.schema"    // SchemaVersion
	metaPage    = "activedefense.page_rows" // how many records a page has; the last of a group may have fewer
)

// The columns of a file, in the order in which they stand there; those from firstText on are the texts, numTexts of them.
const (
	colTime = iota
	colID
	colSrc
	colSrc6
	colDst
	colDst6
	colSrcPort
	colDstPort
	colRepeat
	colAgent
	colFile
	colOffset
	firstText
	numColumns      = firstText + numTexts
	numColumnsFirst = firstText + numTextsFirst
)

// textNames are the names of the texts, in the order of Columns.texts: the store's columns have the same.
var textNames = [numTexts]string{"device", "src_country", "dst_country", "action", "rule", "rule_id", "subtype", "type", "application", "from_zone", "to_zone",
	"session_end_reason", "src_user", "threat_name", "threat_id", "severity", "direction", "protocol", "outcome", "grade", "category", "client"}

// schema is that of a file. Only addresses may be null: a text that a line did not have is empty, a number is 0. Numbers that mostly grow a little are kept as
// differences, texts and what has few values as numbers in a list of the different ones (few), all others as they are; src and dst are either.
func schema(src, dst encoding.Encoding) *parquet.Schema {
	plain, delta, few := &parquet.Plain, &parquet.DeltaBinaryPacked, &parquet.RLEDictionary
	sixteen := parquet.Leaf(parquet.FixedLenByteArrayType(16))
	g := group{Group: parquet.Group{}}
	add := func(name string, node parquet.Node, e encoding.Encoding) {
		g.names = append(g.names, name)
		g.Group[name] = parquet.Encoded(node, e)
	}
	address := func(name string, node parquet.Node, e encoding.Encoding) {
		add(name, node, e)
		g.Group[name] = parquet.Optional(g.Group[name])
	}
	add("time", parquet.Timestamp(parquet.Microsecond), delta)
	add("id", parquet.Int(64), delta)
	address("src", parquet.Uint(32), src)
	address("src6", sixteen, plain)
	address("dst", parquet.Uint(32), dst)
	address("dst6", sixteen, plain)
	add("src_port", parquet.Uint(16), delta) // mostly random, and so shorter than as it is
	add("dst_port", parquet.Uint(16), plain) // a few are most of them
	add("repeat", parquet.Uint(32), few)
	add("agent", parquet.Int(64), few)
	add("file", parquet.Int(64), few)
	add("file_offset", parquet.Int(64), delta)
	for _, name := range textNames {
		add(name, parquet.String(), few)
	}
	return parquet.NewSchema("record", g)
}

// group is a schema whose columns stand in our order; that of parquet.Group is by name.
type group struct {
	parquet.Group
	names []string
}

// Fields implements parquet.Node.
func (g group) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int { return slices.Index(g.names, a.Name()) - slices.Index(g.names, b.Name()) })
	return fields
}
