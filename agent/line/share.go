package line

import (
	"context"
	"io"
)

// Share hands what is read once to several readers at the same pace: none is ahead of another by more than a few KiB, so
// that nothing has to be kept. Each must read to its end, or ctx must end: then all of them fail with its error, also those
// that wait, whether or not the reading can be interrupted (of a terminal it cannot: that goroutine is then left to the end
// of the program, and touches nothing any more).
func Share(ctx context.Context, from io.Reader, readers int) []io.Reader {
	out, in := make([]io.Reader, readers), make([]io.Writer, readers)
	for i := range readers {
		r, w := io.Pipe()
		context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
		out[i], in[i] = r, w
	}
	go func() {
		_, err := io.Copy(io.MultiWriter(in...), from)
		if ctx.Err() != nil {
			err = ctx.Err() // and not that a reader was closed by it
		}
		for _, w := range in {
			w.(*io.PipeWriter).CloseWithError(err) // without an error it is the end
		}
	}()
	return out
}
