// Writes every architectural write and every stream word of an NPU to a file a kind, one event a
// line: cycle, address, data. Bound into the NPU as it is shipped; read by sim/trace_file.py.
module npu_trace (
    input clk,
    input start,
    input result_enable,
    input [31:0] result_address,
    input [63:0] result_data,
    input activation_enable,
    input [31:0] activation_address,
    input [63:0] activation_data,
    input output_enable,
    input [31:0] output_last,
    input [63:0] output_data,
    input arrival,
    input [63:0] symbol,
    input departure
);
  integer files[5];
  reg [31:0] count = 0;  // cycles since start; the cycle that starts is 0
  wire [31:0] cycle = start ? 0 : count;
  wire counting = start || count != 0;

  initial begin
    files[0] = $fopen("result.trace", "w");
    files[1] = $fopen("activation.trace", "w");
    files[2] = $fopen("output.trace", "w");
    files[3] = $fopen("arrivals.trace", "w");
    files[4] = $fopen("departures.trace", "w");
  end

  always @(posedge clk) begin
    if (counting) count <= cycle + 1;
    if (result_enable) $fwrite(files[0], "%08x %08x %016x\n", cycle, result_address, result_data);
    if (activation_enable)
      $fwrite(files[1], "%08x %08x %016x\n", cycle, activation_address, activation_data);
    if (output_enable) $fwrite(files[2], "%08x %08x %016x\n", cycle, output_last, output_data);
    if (arrival) $fwrite(files[3], "%08x %08x %016x\n", cycle, 0, symbol);
    if (departure) $fwrite(files[4], "%08x %08x %016x\n", cycle, 0, output_data);
  end

  final for (int n = 0; n < 5; n++) $fclose(files[n]);
endmodule

bind npu npu_trace trace (
    .clk(clk),
    .start(sequencer.start),
    .result_enable(mac.result_enable),
    .result_address(32'(mac.result_address)),
    .result_data(64'(mac.result_data)),
    .activation_enable(vector.result_enable),
    .activation_address(32'(vector.result_address)),
    .activation_data(64'(vector.result_data)),
    .output_enable(mac.output__valid),
    .output_last(32'(mac.output_last)),
    .output_data(64'($signed(mac.output__payload))),
    .arrival(s_axis_tvalid && s_axis_tready),
    .symbol(64'(s_axis_tdata)),
    .departure(m_axis_tvalid && m_axis_tready)
);
