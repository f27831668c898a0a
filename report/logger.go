package report

import (
	"io"
	"ringloom/internal/printable"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger logs to out, for people on a terminal and as JSON lines otherwise; with a file it logs there as well,
// always as JSON and from the debug level up. Whatever is logged is escaped, for peers give themselves names.
func NewLogger(out io.Writer, human, debug bool, file io.Writer) *zap.Logger {
	out = printable.Writer(out)
	level := zapcore.InfoLevel
	if debug {
		level = zapcore.DebugLevel
	}
	core := zapcore.NewCore(jsonEncoder(), zapcore.Lock(zapcore.AddSync(out)), level)
	if human {
		config := zap.NewDevelopmentEncoderConfig()
		config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		config.EncodeLevel = zapcore.LowercaseLevelEncoder
		config.ConsoleSeparator = "  "
		config.CallerKey = zapcore.OmitKey
		config.StacktraceKey = zapcore.OmitKey
		core = zapcore.NewCore(zapcore.NewConsoleEncoder(config), zapcore.Lock(zapcore.AddSync(out)), level)
	}
	if file != nil {
		core = zapcore.NewTee(core, zapcore.NewCore(jsonEncoder(), zapcore.Lock(zapcore.AddSync(printable.Writer(file))), zapcore.DebugLevel))
	}
	return zap.New(core)
}

func jsonEncoder() zapcore.Encoder {
	config := zap.NewProductionEncoderConfig()
	config.TimeKey = "time"
	config.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	return zapcore.NewJSONEncoder(config)
}
