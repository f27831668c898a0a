package report

import (
	"strings"
	"testing"

	"go.uber.org/zap"
)

// What a peer calls itself reaches no terminal and no file as control characters, in the message or beside it.
func TestALogIsEscaped(t *testing.T) {
	for _, human := range []bool{true, false} {
		var out, file strings.Builder
		log := NewLogger(&out, human, false, &file)
		log.Info("from \x1b[2J\u009b\u202e", zap.String("node", "\x1b]0;title\x07\u009b\x7f"))
		for name, text := range map[string]string{"the terminal": out.String(), "the file": file.String()} {
			if strings.ContainsAny(text, "\x1b\x07\x7f\u009b\u202e") || !strings.Contains(text, `\u001b[2J`) {
				t.Errorf("human %v, %s: %q", human, name, text)
			}
		}
	}
}
