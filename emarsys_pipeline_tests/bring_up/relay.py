"""Passes TCP connections on: the way in which a machine reaches Emarsys, as a proxy of its own.

``python -m emarsys_pipeline_tests.bring_up.relay HOST PORT TARGET_HOST`` passes what comes to the
port of one address on to the same port of another.
"""

import asyncio
import sys


async def pass_on(host: str, port: int, target: str) -> None:
    """Serve until the process ends."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(target, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, host, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(pass_on(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
