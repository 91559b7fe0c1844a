// Stands in for a model on loopback, in as much of the Messages API as a chat program needs: it
// asks for one tool, and when the tool's result comes back, says so and ends.
import { createServer } from 'node:http';

export async function startModel(tool, input) {
  const results = [];
  let turns = 0;

  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (d) => { text += d; });
    request.on('end', () => {
      const path = request.url.split('?')[0];
      if (path.endsWith('/messages/count_tokens')) json(response, 200, { input_tokens: 1 });
      else if (path.endsWith('/messages')) answer(response, JSON.parse(text));
      else json(response, request.method === 'POST' ? 404 : 200, {});
    });
  });

  function answer(response, asked) {
    turns += 1;
    const given = (asked.messages ?? [])
      .flatMap((m) => (Array.isArray(m.content) ? m.content : []))
      .filter((part) => part.type === 'tool_result')
      .map((part) => JSON.stringify(part.content));
    results.push(...given);
    // Programs also ask their model for titles and the like, without offering tools. The tool itself
    // need not be among those offered: a program may keep back what its model has not searched for.
    const call = given.length === 0 && asked.tools?.length > 0;
    const block = call ? { type: 'tool_use', id: 'toolu_1', name: tool, input } : { type: 'text', text: 'done' };
    const message = {
      id: `msg_${turns}`, type: 'message', role: 'assistant', model: asked.model ?? 'stand-in', content: [block],
      stop_reason: call ? 'tool_use' : 'end_turn', stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 },
    };
    if (!asked.stream) return json(response, 200, message);
    const delta = call ? { type: 'input_json_delta', partial_json: JSON.stringify(input) } : { type: 'text_delta', text: 'done' };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of [
      { type: 'message_start', message: { ...message, content: [], stop_reason: null } },
      { type: 'content_block_start', index: 0, content_block: call ? { ...block, input: {} } : { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: message.stop_reason, stop_sequence: null }, usage: { output_tokens: 1 } },
      { type: 'message_stop' },
    ]) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    return response.end();
  }

  await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
  return {
    port: server.address().port,
    results,
    turns: () => turns,
    stop() { server.closeAllConnections(); server.close(); },
  };
}

function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
