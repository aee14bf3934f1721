// A peer of `compare`: rooms on uWebSockets, which Bun carries as its WebSocket server.
//
// A client's first message is the numbers of its rooms, four bytes each; once it listens there it is sent those
// bytes again. Every later message is published to the first of them as it is: to everyone in it but the speaker.
// Start it by Bun, with the port to listen on.

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, server) {
    return server.upgrade(request, { data: { room: "" } })
      ? undefined
      : new Response("a WebSocket, please", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    // The load generator answers no pings, so none fall due while it measures.
    idleTimeout: 960,
    sendPings: false,
    backpressureLimit: 64 << 20,
    message(socket, message) {
      if (socket.data.room !== "") {
        socket.publish(socket.data.room, message);
        return;
      }
      for (let at = 0; at < message.length; at += 4) {
        socket.subscribe(message.subarray(at, at + 4).toString("hex"));
      }
      socket.data.room = message.subarray(0, 4).toString("hex");
      socket.send(message);
    },
  },
});
